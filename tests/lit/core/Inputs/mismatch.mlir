func.func @wrong_text() -> i32 {
  // expected-error@+1 {{something else}}
  return
}

// -----

// expected-error {{never}}
func.func private @no_error()

// -----

func.func @not_expected() -> i32 { return }
