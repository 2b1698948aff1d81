//! The harness of the process suites.
