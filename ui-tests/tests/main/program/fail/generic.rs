#[selfup::main]
async fn prog<T: From<selfup::State>>(_: T) {}
