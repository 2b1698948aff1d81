// #[selfup::main()]
// struct Program;

struct Program;
fn main() {}
::core::compile_error! {
    "`#[selfup::main]` can only be applied to a function with a body"
}
