#[wayside::test]
async fn it_works(name: String) {
    drop(name);
}

fn main() {}
