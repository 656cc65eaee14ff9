//! The files that nodes send: read from NocoBase's local storages (`getFileStream` of the file manager's
//! `server.ts` and `storages/local.ts`), but for those outside of the folders that the settings name, and from object
//! storages (`remote`). Files of other storages are refused.

mod remote;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use self::remote::Remote;
use crate::collection::{Collections, StoredFile};
use crate::expr::convert::to_text;
use crate::expr::{Thrown, Value};
use crate::outbound::{Client, Failure};

/// The folders of NocoBase's storages, as this process sees them.
#[derive(Clone, Debug, Default)]
pub struct Folders {
    /// `STORAGE_PATH`.
    pub storage: PathBuf,
    /// `LOCAL_STORAGE_DEST`: the folder of storages that name none; without it, `uploads` in the storage folder.
    pub uploads: Option<PathBuf>,
    /// `LOCAL_STORAGE_ALLOWED_ROOTS`: folders outside of these two that storages may name.
    pub others: Vec<PathBuf>,
}

/// Reads files of the file manager.
#[derive(Clone, Default)]
pub struct Files {
    folders: Folders,
    beside: Option<Beside>,
    now: DateTime<Utc>,
}

/// What knows the storages, and what fetches from those that are elsewhere.
#[derive(Clone)]
struct Beside {
    collections: Arc<Collections>,
    client: Client,
    /// The longest file of an object storage in bytes, where its reader has no limit.
    limit: u64,
}

/// A file as it is sent.
#[derive(Debug)]
pub struct SentFile {
    pub filename: String,
    pub content_type: String,
    pub bytes: Vec<u8>,
}

impl Files {
    /// `limit` is for files of object storages that are read without another one, in bytes.
    pub fn new(folders: Folders, collections: Arc<Collections>, client: Client, limit: u64) -> Self {
        Self { folders, beside: Some(Beside { collections, client, limit }), now: DateTime::UNIX_EPOCH }
    }

    /// The same at a time, which signatures are made for.
    #[must_use]
    pub fn at(&self, now: DateTime<Utc>) -> Self {
        Self { now, ..self.clone() }
    }

    /// Without a database every file fails.
    #[cfg(test)]
    pub fn none() -> Self {
        Self::default()
    }

    /// The files of a record or of an array of records; none for null.
    pub async fn read_all(&self, file: &Value) -> Result<Vec<SentFile>, Failure> {
        let records = match file {
            Value::Undefined | Value::Null => return Ok(Vec::new()),
            Value::Array(records, _) => records.items(),
            one => std::slice::from_ref(one),
        };
        let mut files = Vec::with_capacity(records.len());
        for record in records {
            files.push(self.read(record, u64::MAX).await?);
        }
        Ok(files)
    }

    /// The file of a record, unless it is longer than `limit` bytes.
    pub async fn read(&self, record: &Value, limit: u64) -> Result<SentFile, Failure> {
        if record.is_nullish() {
            return Err(Thrown::reading(record, "source").into());
        }
        let storage_id = record.member("storageId");
        if !storage_id.is_truthy() {
            return Err(Failure::plain("File storageId not found"));
        }
        let stored = self.stored(record, &storage_id).await?;
        let content_type = match record.member("mimetype") {
            Value::Undefined => String::new(),
            mimetype => to_text(&mimetype)?,
        };
        let filename = to_text(&record.member("filename"))?;
        let bytes = self.bytes(record, &stored, limit).await?;
        Ok(SentFile { filename, content_type, bytes })
    }

    async fn bytes(&self, record: &Value, stored: &StoredFile, limit: u64) -> Result<Vec<u8>, Failure> {
        let storage = &stored.storage;
        if let Some(beside) = self.beside.as_ref().filter(|_| remote::TYPES.contains(&&*storage.type_name)) {
            let file = Remote { storage, address: stored.address.as_deref(), key: &stored.key };
            return file.read(&beside.client, self.now, limit.min(beside.limit)).await;
        }
        if storage.type_name != "local" {
            return Err(Failure::plain(format!(
                "sidehook sends files of the storages local, s3, ali-oss and tx-cos, and this one is of type \"{}\"",
                storage.type_name
            )));
        }
        let root = self.folders.root(&storage.options.member("documentRoot"))?;
        let part = |name: &str| match record.member(name) {
            value if value.is_truthy() => to_text(&value),
            _ => Ok(String::new()),
        };
        let path = resolve(&root, &part("path")?, &part("filename")?)?;
        read_inside(root, path, limit).await
    }

    /// The file in the storage with this id, which large ids come as texts.
    async fn stored(&self, record: &Value, id: &Value) -> Result<StoredFile, Failure> {
        let id = match id {
            Value::Number(number) if number.fract() == 0.0 => Some(*number as i64),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        };
        let stored = match (id, &self.beside) {
            (Some(id), Some(beside)) => beside.collections.stored_file(record, id).await?,
            _ => None,
        };
        stored.ok_or_else(|| Failure::plain("[file-manager] no linked or default storage provided"))
    }
}

impl Folders {
    /// The folder of a storage. NocoBase's paths that start with `storage/` count from its storage folder.
    fn root(&self, configured: &Value) -> Result<PathBuf, Failure> {
        let configured = match configured {
            Value::Undefined | Value::Null => self.uploads.clone().unwrap_or_default(),
            Value::Text(text) if !text.is_empty() && !text.contains('\0') => PathBuf::from(&**text),
            _ => return Err(traversal("Invalid local storage document root")),
        };
        let root = self.located(&configured);
        let others = self.uploads.iter().chain(&self.others).map(|folder| self.located(folder));
        let is_allowed = others.chain([absolute(&self.storage)]).any(|allowed| root.starts_with(allowed));
        if is_allowed { Ok(root) } else { Err(traversal("Invalid local storage document root")) }
    }

    fn located(&self, folder: &Path) -> PathBuf {
        if folder.as_os_str().is_empty() {
            return absolute(&self.storage).join("uploads");
        }
        match folder.strip_prefix(".").unwrap_or(folder).strip_prefix("storage") {
            Ok(inside) => normal(&absolute(&self.storage).join(inside)),
            Err(_) => absolute(folder),
        }
    }
}

fn traversal(message: &str) -> Failure {
    Failure::coded("PATH_TRAVERSAL", message)
}

fn absolute(path: &Path) -> PathBuf {
    normal(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
}

/// Without `.` and `..`, as far as the text goes.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

/// The file of a record, which has to be inside of its storage's folder.
fn resolve(root: &Path, path: &str, filename: &str) -> Result<PathBuf, Failure> {
    let file = normal(&root.join(path).join(filename));
    if path.contains('\0') || filename.contains('\0') || !file.starts_with(root) {
        return Err(traversal("Access denied"));
    }
    Ok(file)
}

/// Reads a file unless links lead out of the folder.
async fn read_inside(root: PathBuf, file: PathBuf, limit: u64) -> Result<Vec<u8>, Failure> {
    let reading = tokio::task::spawn_blocking(move || {
        let real = file.canonicalize().map_err(|err| unreadable(&err, &file))?;
        if !root.canonicalize().is_ok_and(|root| real.starts_with(root)) {
            return Err(traversal("Access denied"));
        }
        let mut bytes = Vec::new();
        let read =
            File::open(&real).and_then(|opened| opened.take(limit.saturating_add(1)).read_to_end(&mut bytes));
        read.map_err(|err| unreadable(&err, &file))?;
        if bytes.len() as u64 > limit {
            return Err(Failure::coded(
                "EFBIG",
                format!("The file '{}' is too long to be sent", file.display()),
            ));
        }
        Ok(bytes)
    });
    reading.await.unwrap_or_else(|err| Err(Failure::plain(err.to_string())))
}

/// As Node.js words it.
fn unreadable(err: &io::Error, file: &Path) -> Failure {
    let (code, text) = match err.kind() {
        io::ErrorKind::NotFound => ("ENOENT", "no such file or directory".to_owned()),
        io::ErrorKind::PermissionDenied => ("EACCES", "permission denied".to_owned()),
        io::ErrorKind::IsADirectory => ("EISDIR", "illegal operation on a directory".to_owned()),
        _ => ("EIO", err.to_string()),
    };
    Failure::coded(code, format!("{code}: {text}, stat '{}'", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(storage: &Path) -> Folders {
        Folders { storage: storage.to_owned(), uploads: None, others: vec!["/data/files".into()] }
    }

    #[test]
    fn document_roots_are_found_as_in_nocobase() {
        let folders = folders(Path::new("/app/nocobase/storage"));
        let cases = [
            (Value::Undefined, Some("/app/nocobase/storage/uploads")),
            (Value::from("storage/uploads"), Some("/app/nocobase/storage/uploads")),
            (Value::from("./storage/a/../b"), Some("/app/nocobase/storage/b")),
            (Value::from("/data/files/x"), Some("/data/files/x")),
            (Value::from("storage/../../etc"), None),
            (Value::from("/data/files/../etc"), None),
            (Value::from("/data/files2"), None),
            (Value::from("/"), None),
            (Value::from(""), None),
            (Value::from("storage\0"), None),
        ];
        for (configured, expected) in cases {
            let root = folders.root(&configured).ok();
            assert_eq!(root.as_deref(), expected.map(Path::new), "{configured:?}");
        }
    }

    #[test]
    fn nothing_outside_of_the_root_is_named() {
        let root = Path::new("/s/uploads");
        assert_eq!(resolve(root, "a/b", "c.txt").expect("inside"), Path::new("/s/uploads/a/b/c.txt"));
        assert_eq!(resolve(root, "a/..", "c.txt").expect("inside"), Path::new("/s/uploads/c.txt"));
        for (path, filename) in
            [("..", "x"), ("", "../x"), ("/etc", "passwd"), ("", "/etc/passwd"), ("a", "\0")]
        {
            let failure = resolve(root, path, filename).expect_err(filename);
            assert_eq!(failure.code.as_deref(), Some("PATH_TRAVERSAL"), "{path} {filename}");
        }
    }

    #[tokio::test]
    async fn links_do_not_lead_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("uploads");
        std::fs::create_dir(&root).expect("created");
        std::fs::write(folder.path().join("secret"), "s").expect("written");
        std::fs::write(root.join("file"), "f").expect("written");
        std::os::unix::fs::symlink("../secret", root.join("out")).expect("linked");
        std::os::unix::fs::symlink("file", root.join("in")).expect("linked");
        let read = async |name: &str| {
            read_inside(root.clone(), root.join(name), 1).await.map_err(|failure| failure.code)
        };
        assert_eq!(read("file").await, Ok(b"f".to_vec()));
        assert_eq!(read("in").await, Ok(b"f".to_vec()));
        assert_eq!(read("out").await, Err(Some("PATH_TRAVERSAL".to_owned())));
        assert_eq!(read("missing").await, Err(Some("ENOENT".to_owned())));
        std::fs::write(root.join("long"), "ff").expect("written");
        assert_eq!(read("long").await, Err(Some("EFBIG".to_owned())));
    }

    #[tokio::test]
    async fn records_without_a_storage_fail_as_in_nocobase() {
        let message = async |file: Value| Files::none().read_all(&file).await.expect_err("a failure").message;
        assert_eq!(message(Value::from(5)).await, "File storageId not found");
        assert_eq!(
            message(Value::array(vec![Value::Null])).await,
            "Cannot read properties of null (reading 'source')"
        );
        let lost = Value::object([("storageId", Value::from(9))]);
        assert_eq!(message(lost).await, "[file-manager] no linked or default storage provided");
        assert!(Files::none().read_all(&Value::Null).await.expect("none").is_empty());
    }
}
