"""Single changes of the rules, in TOML files, each with the tests that must find it."""
