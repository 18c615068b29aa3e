//! Behaviours of the real binaries, by guarantee. The tests are in `tests/`; this library is their harness.
