#[selfup::main]
async fn prog() -> Result<(), Opaque> {
    Err(Opaque)
}

struct Opaque;
