macro_rules! program {
    ($state:ty) => {
        #[selfup::main]
        async fn prog(_: $state) {}
    };
}

program!(&selfup::State);
