#[selfup::main(fetcher = file("/srv/app"), verify = ["RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3", "RWQf6LRCGA9i53mlYecO4Iz"])]
async fn prog(_: selfup::State) {}
