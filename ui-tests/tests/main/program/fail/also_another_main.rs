#[selfup::main]
#[actix_web::main]
async fn prog(_: selfup::State) {}
