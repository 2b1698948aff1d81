mod up {
    pub(crate) use selfup::*;
}

macro_rules! program {
    ($body:block) => {
        #[selfup::main(crate = $crate::up)]
        async fn prog(state: $crate::up::State) {
            let _ = state;
            $body
        }
    };
}

program!({});
