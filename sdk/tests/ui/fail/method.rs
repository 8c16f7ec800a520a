struct App;

impl App {
    #[wayside::http_component]
    fn handle(&self) -> &'static str {
        "hello"
    }
}

fn main() {}
