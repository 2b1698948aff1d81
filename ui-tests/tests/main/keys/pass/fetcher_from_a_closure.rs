use selfup::{BoxError, Fetched};

#[selfup::main(fetcher = from_fn(|_| async { Ok::<_, BoxError>(Fetched::Unchanged) }, interval = "1h"))]
async fn prog(_: selfup::State) {}
