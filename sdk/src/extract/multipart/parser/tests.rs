use super::*;

/// The headers of a part, one per line, and its content.
type Part = (String, Vec<u8>);

fn headers_of(headers: &HeaderMap) -> String {
    headers.iter().map(|(name, value)| format!("{name}: {}\n", value.as_bytes().escape_ascii())).collect()
}

/// Reads a form with the boundary `cut` that arrives in these pieces.
fn read_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Part>, Malformed> {
    let mut parser = Parser::new(b"cut");
    let mut pieces = pieces.into_iter();
    let mut parts: Vec<Part> = Vec::new();
    let mut is_open = false;
    loop {
        match parser.next()? {
            Some(Event::Part(headers)) => {
                assert!(!is_open);
                is_open = true;
                parts.push((headers_of(&headers), Vec::new()));
            }
            Some(Event::Data(data)) => {
                assert!(is_open && !data.is_empty());
                parts.last_mut().unwrap().1.extend_from_slice(&data);
            }
            Some(Event::PartEnd) => {
                assert!(is_open);
                is_open = false;
            }
            Some(Event::End) => {
                assert!(!is_open);
                return Ok(parts);
            }
            None => match pieces.next() {
                Some(piece) => parser.push(Bytes::copy_from_slice(piece)),
                None => parser.complete(),
            },
        }
    }
}

/// Reads a form several times: in one piece, byte by byte, and split in two at each position. Asserts that all results
/// are equal.
fn read(form: impl AsRef<[u8]>) -> Result<Vec<Part>, Malformed> {
    let form = form.as_ref();
    let whole = read_pieces([form]);
    assert_eq!(read_pieces(form.chunks(1)), whole);
    for cut in 0..=form.len() {
        assert_eq!(read_pieces([&form[..cut], &form[cut..]]), whole, "cut after {cut} bytes");
    }
    whole
}

/// Returns the content of each part as a string.
fn contents(form: impl AsRef<[u8]>) -> Vec<String> {
    read(form).unwrap().into_iter().map(|(_, content)| String::from_utf8(content).unwrap()).collect()
}

#[test]
fn parts_come_in_order_with_their_headers() {
    let form = "--cut\r\nContent-Disposition: form-data; name=a\r\nX-Own:1\r\nx-own: 2 \r\n\r\none\r\n--cut\r\n\r\ntwo\r\n--cut--\r\n";
    let headers = "content-disposition: form-data; name=a\nx-own: 1\nx-own: 2\n".to_owned();
    assert_eq!(read(form).unwrap(), [(headers, b"one".to_vec()), (String::new(), b"two".to_vec())]);
}

#[test]
fn content_is_kept_to_the_byte() {
    for content in
        ["", "\r\n", "\r", "\n", "\r\n\r\n", "\r\r\n", "--", "\r\n--", "\r\n--cu", "\r\n-", "\n--cut", "\0\u{e9}"]
    {
        let form = format!("--cut\r\n\r\n{content}\r\n--cut--");
        assert_eq!(contents(form), [content], "{content:?}");
    }
}

#[test]
fn a_delimiter_is_a_whole_line() {
    for content in [
        "x--cut",
        "x--cut\r\n",
        " --cut\r\n",
        "\n--cut\n",
        "\r--cut\r",
        "a\r\n--cutter\r\nb",
        "a\r\n--cut-\r\nb",
        "a\r\n--cut--b\r\n",
        "a\r\n--cut---\r\n",
        "a\r\n--cut x\r\n",
        "a\r\n--cut\n",
        "a\r\n--cut\rb",
        "a\r\n--CUT\r\n",
        "--cutter\r\n",
        "\r\n--cut-- x",
    ] {
        let form = format!("--cut\r\n\r\n{content}\r\n--cut\r\n\r\nnext\r\n--cut--\r\n");
        assert_eq!(contents(form), [content, "next"], "{content:?}");
    }
}

#[test]
fn spaces_may_follow_a_delimiter() {
    assert_eq!(contents("--cut \t \r\n\r\none\r\n--cut\t\r\n\r\ntwo\r\n--cut-- \t\r\n"), ["one", "two"]);
    assert_eq!(contents("--cut\r\n\r\none\r\n--cut-- "), ["one"]);
    let spaces = |number| format!("--cut\r\n\r\none\r\n--cut{}\r\n\r\ntwo\r\n--cut--", " ".repeat(number));
    assert_eq!(contents(spaces(MAX_PADDING_BYTES)), ["one", "two"]);
    assert_eq!(contents(spaces(MAX_PADDING_BYTES + 1)).len(), 1);
}

#[test]
fn what_stands_in_front_and_behind_is_left_out() {
    assert_eq!(
        contents("for old clients\r\n--cutter\r\n\r\n--cut\r\n\r\none\r\n--cut--\r\nthe end\r\n--cut\r\n"),
        ["one"]
    );
    assert_eq!(contents("\r\n--cut\r\n\r\none\r\n--cut--\r\n"), ["one"]);
}

#[test]
fn a_form_may_be_empty() {
    assert_eq!(contents("--cut--\r\n"), [""; 0]);
    assert_eq!(contents("--cut--"), [""; 0]);
}

#[test]
fn a_part_without_content_may_end_with_its_empty_line() {
    assert_eq!(contents("--cut\r\n\r\n--cut\r\nx: y\r\n\r\n--cut\r\n\r\n\r\n--cut--"), ["", "", ""]);
    assert_eq!(contents("--cut\r\n\r\n--cutter\r\n--cut--"), ["--cutter"]);
}

#[test]
fn a_form_without_its_last_delimiter_is_malformed() {
    let form = "--cut\r\nx: y\r\n\r\none\r\n--cut\r\n\r\ntwo\r\n--cut--";
    for length in 7..form.len() {
        assert_eq!(read(&form[..length]), Err(Malformed::NoLastDelimiter), "{:?}", &form[..length]);
    }
    assert!(read(form).is_ok());
}

#[test]
fn a_body_without_a_delimiter_is_malformed() {
    for form in ["", "no form", "--cut", "--cutter\r\n", "x--cut\r\n", "--cut\n\none\n--cut--\n", "--cu"] {
        assert_eq!(read(form), Err(Malformed::NoDelimiter), "{form:?}");
    }
}

#[test]
fn lines_end_with_crlf() {
    assert_eq!(read("--cut\r\nx: y\n\none\r\n--cut--"), Err(Malformed::NoLastDelimiter));
    let header = Malformed::Header(Bytes::from("x: y\nz: a"));
    assert_eq!(read("--cut\r\nx: y\nz: a\r\n\r\none\r\n--cut--"), Err(header));
    assert_eq!(contents("--cut\r\n\r\none\n--cut--\n\r\n--cut--"), ["one\n--cut--\n"]);
}

#[test]
fn a_header_may_go_on_in_the_next_line() {
    let form = "--cut\r\nx: a;\r\n\tb;\r\n  c\r\ny: d\r\n\r\n\r\n--cut--";
    assert_eq!(read(form).unwrap()[0].0, "x: a;\\tb;  c\ny: d\n");
}

#[test]
fn an_invalid_header_is_malformed() {
    for line in ["no colon", "a b: c", ": c", "x : y", " x: y", "x: a\0b", "x\u{e9}: y", "--cut"] {
        let form = format!("--cut\r\n{line}\r\n\r\none\r\n--cut--");
        assert_eq!(read(form), Err(Malformed::Header(Bytes::from(line.to_owned()))), "{line:?}");
    }
}

#[test]
fn headers_have_a_limit() {
    let form = |value: usize| format!("--cut\r\nx:{}\r\n\r\none\r\n--cut--", "v".repeat(value));
    let fits = MAX_HEADER_BYTES - "x:\r\n".len();
    assert_eq!(read_pieces([form(fits).as_bytes()]).unwrap().len(), 1);
    for pieces in [1000, 1 << 20] {
        assert_eq!(read_pieces(form(fits + 1).as_bytes().chunks(pieces)), Err(Malformed::TooManyHeaderBytes));
    }
}

#[test]
fn headers_that_never_end_are_not_kept() {
    let mut parser = Parser::new(b"cut");
    parser.push(Bytes::from_static(b"--cut\r\n"));
    for _ in 0..1000 {
        parser.push(Bytes::from_static(&[b'x'; 1000]));
        if parser.next().is_err() {
            break;
        }
    }
    assert_eq!(parser.next(), Err(Malformed::TooManyHeaderBytes));
    assert!(parser.buffer.is_empty());
}

#[test]
fn content_is_passed_on_as_it_arrives() {
    let mut parser = Parser::new(b"cut");
    parser.push(Bytes::from_static(b"--cut\r\n\r\n"));
    assert!(matches!(parser.next(), Ok(Some(Event::Part(_)))));
    for piece in [&[b'x'; 10_000][..], b"\r\n--cu", b"\r", b"\n\r\n--cut   ", b"x"] {
        parser.push(Bytes::copy_from_slice(piece));
        while parser.next().unwrap().is_some() {}
        assert!(parser.buffer.len() <= "\r\n--cut   ".len(), "{} bytes are held back", parser.buffer.len());
    }
}

/// A pseudo-random number generator with a fixed sequence.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

#[test]
fn random_forms_in_random_pieces_are_read_as_they_were_written() {
    const SCRAPS: [&[u8]; 12] =
        [b"\r", b"\n", b"\r\n", b"-", b"--", b"cut", b"\r\n--cu", b"\r\n--cutx", b" ", b"x", b"\0", b"\r\n--cut-"];
    let mut random = Random(1);
    for _ in 0..5000 {
        let mut form = Vec::new();
        let mut written = Vec::new();
        for _ in 0..random.below(4) {
            let content: Vec<u8> = (0..random.below(12)).flat_map(|_| SCRAPS[random.below(12)]).copied().collect();
            // Skips content in which the scraps happen to form a delimiter.
            let lines = [b"\r\n", &content[..], b"\r\n"].concat();
            if [&b"\r\n--cut\r\n"[..], b"\r\n--cut \r\n", b"\r\n--cut--"]
                .iter()
                .any(|delimiter| lines.windows(delimiter.len()).any(|window| window == *delimiter))
            {
                continue;
            }
            form.extend_from_slice(b"--cut\r\nx: y\r\n\r\n");
            form.extend_from_slice(&content);
            form.extend_from_slice(b"\r\n");
            written.push(("x: y\n".to_owned(), content));
        }
        form.extend_from_slice(b"--cut--\r\n");
        let mut pieces = Vec::new();
        let mut rest = &form[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + random.below(rest.len().min(20)));
            pieces.push(piece);
            rest = after;
        }
        assert_eq!(read_pieces(pieces), Ok(written), "{}", form.escape_ascii());
    }
}
