//! Reports the environment variables of the component, and whether it can start a thread.

use wayside::Request;

pub(crate) async fn handle(_: Request) -> String {
    let mut variables: Vec<String> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
    variables.sort();
    let thread = match std::thread::Builder::new().spawn(|| ()) {
        Ok(_) => "a thread",
        Err(_) => "no threads",
    };
    format!("{}; {thread}\n", variables.join(" "))
}
