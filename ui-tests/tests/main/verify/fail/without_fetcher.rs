#[selfup::main(verify = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3")]
async fn prog(_: selfup::State) {}
