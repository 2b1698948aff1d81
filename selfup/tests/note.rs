//! A binary says who it is, without being run.

selfup::note!(name = "company/tests", version = "7.0.0");

#[test]
fn a_binary_says_who_it_is_without_being_run() {
    let note = selfup::note::read(std::env::current_exe().unwrap()).unwrap().unwrap();
    assert_eq!((note.name(), note.version(), note.protocol()), ("company/tests", "7.0.0", 1));
    assert!(note.target().starts_with(std::env::consts::ARCH), "{}", note.target());
}
