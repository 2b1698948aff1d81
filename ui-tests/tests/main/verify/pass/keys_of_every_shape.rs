const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

const FILE: &str = concat!(
    "untrusted comment: minisign public key\n",
    "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n",
);

#[selfup::main(
    fetcher = http("http://127.0.0.1:9/app", sha256 = "SHA256SUMS", signature = ".sig"),
    verify = ["RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3", KEY, FILE],
)]
async fn prog(_: selfup::State) {
    let config = selfup::Config::builder()
        .verify(KEY)
        .verify(vec![KEY.to_owned()])
        .verify(&[selfup::PublicKey::parse(FILE).unwrap()][..])
        .build();
    assert!(config.is_ok());
}
