#[selfup::main]
mod program {
    pub fn start() {}
}
