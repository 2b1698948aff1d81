#[selfup::main]
fn prog(_: std::sync::Arc<selfup::State>) {}
