struct Service;

impl Service {
    #[selfup::main]
    async fn prog(&self, _: selfup::State) {}
}

fn main() {}
