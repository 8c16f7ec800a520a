//! Reads settings, and reads and writes stored values. The path selects what: `/set/BUCKET/KEY?VALUE`,
//! `/get/BUCKET/KEY`, `/config/NAME`.

#[cfg(target_family = "wasm")]
#[expect(unsafe_code, reason = "the generated bindings call the host")]
mod component {
    wit_bindgen::generate!({
        path: ["../../../wit/wasip2", "../../../wit/host"],
        inline: "
            package raw:keyvalue;

            world component {
                include wayside:host/host;
                export wasi:http/incoming-handler@0.2.6;
            }
        ",
        generate_all,
    });

    use exports::wasi::http::incoming_handler::Guest;
    use wasi::config::store as config;
    use wasi::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};
    use wasi::keyvalue::store::{self, Bucket};
    use wasi::keyvalue::{atomics, batch};

    struct Component;

    impl Guest for Component {
        fn handle(request: IncomingRequest, out: ResponseOutparam) {
            let target = request.path_with_query().unwrap_or_default();
            let (path, query) = target.split_once('?').unwrap_or((&target, ""));
            let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
            let (status, text) = match answer(&segments, query) {
                Ok(Some(text)) => (200, text),
                Ok(None) => (404, "nothing".to_owned()),
                Err(error) => (500, error),
            };
            respond(out, status, &text);
        }
    }

    fn answer(segments: &[&str], query: &str) -> Result<Option<String>, String> {
        match segments {
            ["config"] => {
                let mut all = config::get_all().map_err(|error| error.to_string())?;
                all.sort();
                Ok(Some(all.iter().map(|(name, value)| format!("{name}={value}\n")).collect()))
            }
            ["config", name] => config::get(name).map_err(|error| error.to_string()),
            [operation, bucket, rest @ ..] => {
                let bucket = store::open(bucket).map_err(|error| error.to_string())?;
                operate(operation, &bucket, rest.first().copied().unwrap_or_default(), query)
                    .map_err(|error| error.to_string())
            }
            _ => Ok(None),
        }
    }

    fn operate(operation: &str, bucket: &Bucket, key: &str, query: &str) -> Result<Option<String>, store::Error> {
        let done = || Some("done".to_owned());
        let keys = || query.split('&').map(ToOwned::to_owned).collect::<Vec<String>>();
        match operation {
            "get" => Ok(bucket.get(key)?.map(|value| String::from_utf8_lossy(&value).into_owned())),
            "set" => bucket.set(key, query.as_bytes()).map(|()| done()),
            "delete" => bucket.delete(key).map(|()| done()),
            "exists" => Ok(Some(bucket.exists(key)?.to_string())),
            "increment" => Ok(Some(atomics::increment(bucket, key, query.parse().unwrap_or(1))?.to_string())),
            "keys" => all_keys(bucket).map(Some),
            "get-many" => {
                let values = batch::get_many(bucket, &keys())?;
                let text = |pair: &Option<(String, Vec<u8>)>| match pair {
                    Some((key, value)) => format!("{key}={}", String::from_utf8_lossy(value)),
                    None => "none".to_owned(),
                };
                Ok(Some(values.iter().map(text).collect::<Vec<_>>().join(" ")))
            }
            "set-many" => {
                let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
                let pairs: Vec<_> = pairs.map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec())).collect();
                batch::set_many(bucket, &pairs).map(|()| done())
            }
            "delete-many" => batch::delete_many(bucket, &keys()).map(|()| done()),
            _ => Ok(None),
        }
    }

    /// Reads all keys of a bucket, page by page, and returns them in order.
    fn all_keys(bucket: &Bucket) -> Result<String, store::Error> {
        let (mut keys, mut cursor) = (Vec::new(), None);
        loop {
            let page = bucket.list_keys(cursor)?;
            keys.extend(page.keys);
            cursor = page.cursor;
            if cursor.is_none() {
                keys.sort();
                keys.dedup();
                return Ok(keys.join(" "));
            }
        }
    }

    fn respond(out: ResponseOutparam, status: u16, text: &str) {
        let response = OutgoingResponse::new(Fields::new());
        let _ = response.set_status_code(status);
        let Ok(body) = response.body() else { return };
        ResponseOutparam::set(out, Ok(response));
        if let Ok(stream) = body.write() {
            for chunk in text.as_bytes().chunks(4096) {
                let _ = stream.blocking_write_and_flush(chunk);
            }
        }
        let _ = OutgoingBody::finish(body, None);
    }

    export!(Component);
}
