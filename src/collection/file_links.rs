//! The addresses of files as NocoBase's file manager makes them (`setFileResponseURLs` of its `server.ts`): its own by
//! default, those of the storage where that says so. Pure; which records get them is up to `file`.

use std::sync::Arc;

use arc_swap::ArcSwap;
use entity::Names;

use super::storage::Storage;
use super::url::{encode_component, encode_path, encode_url, ensure_encoded, is_permanent, is_url, join};
use crate::expr::convert::to_text;
use crate::expr::{Object, Scope, Template, Thrown, Value};

/// The name of the main application in addresses.
const MAIN: &str = "main";
/// The types of storages that the file manager has.
const TYPES: [&str; 4] = ["local", "s3", "ali-oss", "tx-cos"];

/// What addresses of files are made with.
#[derive(Debug)]
pub struct FileLinks {
    pub(super) names: Names,
    /// `APP_PUBLIC_PATH`: what all addresses of the application begin with.
    public_path: String,
    /// The application's name in them.
    pub(super) application: String,
    /// What `{{$env}}` in a storage stands for.
    environment: ArcSwap<Object>,
}

impl FileLinks {
    pub fn new(names: Names, public_path: String) -> Self {
        Self { names, public_path, application: MAIN.to_owned(), environment: ArcSwap::default() }
    }

    pub fn set_environment(&self, environment: Arc<Object>) {
        self.environment.store(environment);
    }

    /// A storage with its variables filled in.
    pub(super) fn rendered(&self, storage: Storage) -> Result<Storage, Thrown> {
        let scope = Scope { env: self.environment.load_full(), ..Scope::of_context(Value::Undefined) };
        let base_url = match &storage.base_url {
            Some(url) => Some(to_text(&Template::parse(&Value::from(url.as_str())).render(&scope)?)?),
            None => None,
        };
        let options = Template::parse(&storage.options).render(&scope)?;
        Ok(Storage { base_url, options, ..storage })
    }
}

impl FileLinks {
    /// Sets the addresses in the values of a file.
    pub(super) fn link(
        &self,
        values: &mut Object,
        collection: &str,
        storage: Option<&Storage>,
    ) -> Result<(), Thrown> {
        let uses_original = storage.filter(|storage| storage.options.member("useOriginalUrl").is_truthy());
        let file = File { values, collection };
        let (url, preview) = match uses_original {
            Some(storage) => (self.original(&file, storage, false)?, self.original(&file, storage, true)?),
            None => (self.permanent(&file, false)?, self.permanent(&file, true)?),
        };
        // The field is a text, which makes null of nothing; the other one is set past all fields.
        values.insert("url", if url.is_undefined() { Value::Null } else { url });
        values.insert("preview", preview);
        if let Some(storage) = storage.filter(|storage| !storage.type_name.is_empty()) {
            values.insert("local", Value::Bool(storage.type_name == "local"));
        }
        Ok(())
    }

    /// The application's own address of a file.
    fn permanent(&self, file: &File<'_>, is_preview: bool) -> Result<Value, Thrown> {
        if !file.get("storageId").is_truthy() {
            return encoded(file.get("url"));
        }
        let id = encode_component(&to_text(&file.get("id"))?);
        let extension = encode_component(&extension(&file.get("extname")));
        let url = format!(
            "{}/files/{}/main/{}/{id}{extension}",
            self.public_path.trim_end_matches('/'),
            encode_component(&self.application),
            encode_component(file.collection),
        );
        Ok(Value::text(if is_preview { format!("{url}?preview=1") } else { url }))
    }

    /// The address that a file is fetched from; relative where its storage has no base URL.
    pub(super) fn fetched(&self, record: &Value, storage: &Storage) -> Result<String, Thrown> {
        let names = ["id", "url", "path", "filename", "extname", "storageId"];
        let values: Object = names.into_iter().map(|name| (name, record.member(name))).collect();
        to_text(&self.original(&File { values: &values, collection: "" }, storage, false)?)
    }

    /// The address of a file in its storage.
    fn original(&self, file: &File<'_>, storage: &Storage, is_preview: bool) -> Result<Value, Thrown> {
        if !file.get("storageId").is_truthy() {
            return encoded(file.get("url"));
        }
        if !TYPES.contains(&storage.type_name.as_str()) {
            return Err(Thrown::error(format!(
                "[file-manager] storage type \"{}\" is not defined",
                storage.type_name
            )));
        }
        let rule = storage.options.member("thumbnailRule");
        let is_image = file.get("mimetype").as_str().is_some_and(|kind| kind.starts_with("image/"));
        let rule = if is_preview && is_image && rule.is_truthy() { Some(to_text(&rule)?) } else { None };
        let url = file.get("url");
        let url = url.as_str().filter(|url| !is_permanent(url, &file.id(), &self.application));
        if let Some(url) = url.filter(|url| is_url(url)) {
            return Ok(Value::text(encode_url(url) + rule.as_deref().unwrap_or_default()));
        }
        let text = |name: &str| match file.get(name) {
            value if value.is_truthy() => to_text(&value).map(Some),
            _ => Ok(None),
        };
        let parts = [
            storage.base_url.clone(),
            text("path")?.map(|path| encode_path(&path)),
            text("filename")?.map(|name| ensure_encoded(&name)),
            rule,
        ];
        let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        let url = join(&parts);
        if storage.type_name != "local" || is_url(&url) {
            return Ok(Value::text(url));
        }
        let public_path = if self.public_path.is_empty() { "/" } else { &self.public_path };
        Ok(Value::text(join(&[public_path.to_owned(), url])))
    }
}

/// A file record while its addresses are made.
struct File<'a> {
    values: &'a Object,
    collection: &'a str,
}

impl File<'_> {
    fn get(&self, name: &str) -> Value {
        self.values.get(name).cloned().unwrap_or_default()
    }

    /// The last part of its address.
    fn id(&self) -> String {
        let id = self.get("id");
        if id.is_truthy() {
            to_text(&id).unwrap_or_default() + &extension(&self.get("extname"))
        } else {
            String::new()
        }
    }
}

/// An address that is no file of the application's storages.
fn encoded(url: Value) -> Result<Value, Thrown> {
    Ok(match &url {
        Value::Text(text) => Value::text(encode_url(text)),
        _ => url,
    })
}

/// `.png`: one dot at the beginning, and no part of a path.
fn extension(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    let is_one =
        text.len() >= 2 && text.strip_prefix('.').is_some_and(|rest| !rest.contains(['.', '/', '\\']));
    if is_one { text.to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    fn linked(record: &str, storage: Option<Storage>) -> (String, String) {
        let links = FileLinks::new(Names::default(), "/nocobase/".to_owned());
        let record = json::parse(record.as_bytes()).expect("JSON");
        let mut values = record.as_object().cloned().expect("an object");
        let storage = storage.map(|storage| links.rendered(storage).expect("a storage"));
        links.link(&mut values, "attachments", storage.as_ref()).expect("addresses");
        let text = |name: &str| values.get(name).map_or_else(String::new, json::stringify_or_null);
        (text("url"), text("preview"))
    }

    fn storage(type_name: &str, base_url: &str, options: &str) -> Option<Storage> {
        let options = json::parse(options.as_bytes()).expect("JSON");
        Some(Storage { id: 1, type_name: type_name.into(), base_url: Some(base_url.into()), options })
    }

    #[test]
    fn a_file_has_the_address_of_the_application() {
        let cases = [
            (r#"{"id":9031,"extname":".pdf","storageId":1,"url":"/x"}"#, "9031.pdf"),
            (r#"{"id":1,"extname":"pdf","storageId":1}"#, "1"),
            (r#"{"id":1,"extname":".tar.gz","storageId":1}"#, "1"),
            (r#"{"id":1,"extname":".ü","storageId":1}"#, "1.%C3%BC"),
            (r#"{"storageId":1}"#, "undefined"),
        ];
        for (record, end) in cases {
            for storage in [None, storage("local", "/storage/uploads", "{}")] {
                let url = format!("/nocobase/files/main/main/attachments/{end}");
                assert_eq!(linked(record, storage), (format!("\"{url}\""), format!("\"{url}?preview=1\"")));
            }
        }
    }

    #[test]
    fn what_lies_in_no_storage_keeps_its_address() {
        let cases = [
            (
                r#"{"id":1,"url":"https://h.example/a/h3 c.txt?x=1"}"#,
                "\"https://h.example/a/h3%20c.txt?x=1\"",
            ),
            (r#"{"id":1,"url":"/storage/uploads/h3 c.txt"}"#, "\"/storage/uploads/h3 c.txt\""),
            (r#"{"id":1,"url":null}"#, "null"),
        ];
        for (record, url) in cases {
            assert_eq!(linked(record, None), (url.to_owned(), url.to_owned()), "{record}");
        }
        assert_eq!(linked(r#"{"id":1}"#, None), ("null".to_owned(), "null".to_owned()));
    }

    #[test]
    fn a_storage_may_ask_for_its_own_addresses() {
        let png = r#"{"id":1,"storageId":1,"path":"a b","filename":"ü 1.png","mimetype":"image/png"}"#;
        let own = |kind: &str, base: &str, rule: &str| {
            let options = format!(r#"{{"useOriginalUrl":true,"thumbnailRule":"{rule}"}}"#);
            linked(png, storage(kind, base, &options))
        };
        let file = "a%20b/%C3%BC%201.png";
        assert_eq!(
            own("ali-oss", "https://cdn.example/", "?w=100"),
            (format!("\"https://cdn.example/{file}\""), format!("\"https://cdn.example/{file}?w=100\""))
        );
        let local = format!("\"/nocobase/storage/uploads/{file}\"");
        assert_eq!(own("local", "/storage/uploads", ""), (local.clone(), local));
        let remote = r#"{"id":1,"storageId":1,"url":"https://h.example/a b.png","mimetype":"image/png"}"#;
        let options = r#"{"useOriginalUrl":true,"thumbnailRule":"!t"}"#;
        assert_eq!(
            linked(remote, storage("s3", "https://cdn.example", options)),
            ("\"https://h.example/a%20b.png\"".to_owned(), "\"https://h.example/a%20b.png!t\"".to_owned())
        );
        let permanent = r#"{"id":1,"extname":".png","storageId":1,"filename":"f.png","url":"/files/main/main/attachments/1.png"}"#;
        let url = "\"https://cdn.example/f.png\"".to_owned();
        assert_eq!(linked(permanent, storage("tx-cos", "https://cdn.example", options)), (url.clone(), url));
    }

    #[test]
    fn variables_of_the_environment_are_part_of_a_storage() {
        let links = FileLinks::new(Names::default(), String::new());
        links.set_environment(Arc::new([("CDN", Value::from("https://cdn.example"))].into_iter().collect()));
        let storage = storage("s3", "{{$env.CDN}}", "{}").expect("a storage");
        let rendered = links.rendered(storage).expect("a storage");
        assert_eq!(rendered.base_url.as_deref(), Some("https://cdn.example"));
    }
}
