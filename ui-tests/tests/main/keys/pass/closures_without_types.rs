#[selfup::main(
    fetcher = file("/no/such/file", interval = "1h"),
    pre_upgrade = |candidate| match candidate.path().exists() {
        true => Ok(()),
        false => Err("it is gone"),
    },
    on_event = |event| drop(format!("{event:?}")),
    init = |role| drop(format!("{role:?}")),
    health = |state| async move {
        match state.listeners().is_empty() {
            true => Err("it listens nowhere"),
            false => Ok(()),
        }
    },
    configure = |builder| builder.backlog(3),
)]
async fn prog(_: selfup::State) {}
