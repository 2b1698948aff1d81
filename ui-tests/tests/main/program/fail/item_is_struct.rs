#[selfup::main]
struct Program;
