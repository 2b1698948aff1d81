use selfup::{BoxError, Current, Fetched, Fetcher};

struct Mine;

impl Fetcher for Mine {
    async fn fetch(&mut self, _: &Current) -> Result<Fetched, BoxError> {
        Ok(Fetched::Unchanged)
    }
}

#[selfup::main(fetcher = Mine)]
async fn prog(_: selfup::State) {}
