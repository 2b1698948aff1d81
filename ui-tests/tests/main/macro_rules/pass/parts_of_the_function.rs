macro_rules! program {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($state:pat) -> $output:ty $body:block) => {
        #[selfup::main]
        $(#[$attribute])*
        $visibility async fn $name($state: selfup::State) -> $output $body
    };
}

program! {
    /// Documentation.
    fn prog(_) -> Result<(), String> {
        Ok(())
    }
}
