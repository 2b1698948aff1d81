macro_rules! program {
    ($function:item) => {
        $function
    };
}

program! {
    #[selfup::main(address = ["127.0.0.1:0"])]
    async fn prog(_: selfup::State) -> Result<(), String> {
        Ok(())
    }
}
