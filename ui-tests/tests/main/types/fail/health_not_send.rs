#[selfup::main(health = async |_| {
    let shared = std::rc::Rc::new(());
    std::future::ready(()).await;
    drop(shared);
    Ok::<(), String>(())
})]
async fn prog(_: selfup::State) {}
