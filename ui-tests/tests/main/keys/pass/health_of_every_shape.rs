use selfup::{BoxError, State};

mod an_async_function {
    #[selfup::main(health = super::well)]
    async fn prog(_: selfup::State) {}
}

mod an_async_closure {
    #[selfup::main(health = async |state| super::well(state).await)]
    async fn prog(_: selfup::State) {}
}

mod a_closure_with_an_async_block {
    #[selfup::main(health = |_| async { Err("never") })]
    async fn prog(_: selfup::State) {}
}

mod a_sync_program {
    #[selfup::main(health = |_| std::future::ready(Ok::<(), String>(())))]
    fn prog(_: selfup::State) {}
}

#[selfup::main(health = { let limit = 3; move |state| low(state, limit) }, overlap = false, upgrade_master = false)]
async fn prog(_: State) {}

async fn well(_: State) -> Result<(), BoxError> {
    Ok(())
}

async fn low(state: State, limit: u64) -> std::io::Result<()> {
    if state.generation().get() > limit { Err(std::io::ErrorKind::Other.into()) } else { Ok(()) }
}
