//! A form with files, read part by part: a file of any size takes only the memory of one piece.
//!
//! ```text
//! cargo run -- serve examples/multipart
//! curl -F note=hello -F file=@Cargo.lock http://127.0.0.1:3000/
//! ```

use wayside::extract::Multipart;
use wayside::{Error, http_component};

#[http_component]
async fn handle(mut form: Multipart) -> Result<String, Error> {
    let mut answer = String::new();
    while let Some(mut part) = form.next_part().await? {
        let name = part.name().unwrap_or("no name").to_owned();
        let what = part.file_name().map_or("text".to_owned(), |file| format!("file {file}"));
        let mut length = 0;
        while let Some(piece) = part.next_chunk().await? {
            length += piece.len();
        }
        answer.push_str(&format!("{name}: {what}, {length} bytes\n"));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use wayside::{FromRequest as _, Request, test};

    #[wayside::test]
    async fn each_part_is_listed() {
        let body = "--cut\r\ncontent-disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--cut--\r\n";
        let request =
            Request::post("/").header("content-type", "multipart/form-data; boundary=cut").body(body).unwrap();
        let form = wayside::extract::Multipart::from_request(test::incoming(request)).await.unwrap();
        assert_eq!(super::handle(form).await.unwrap(), "note: text, 5 bytes\n");
    }
}
