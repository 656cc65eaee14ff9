//! Trees: who may be the parent of a record, and the paths from the root to each record, which NocoBase's tree tables
//! read (`plugin-collection-tree`). The paths of `posts` are the rows of `main_posts_path`.

use std::collections::HashSet;
use std::sync::Arc;

use sea_orm::sea_query::{Alias, BinOper, Expr, ExprTrait, Func, Query};
use sea_orm::{ConnectionTrait, DbBackend};

use super::super::shape::Collection;
use super::column;
use super::instance::Instance;
use super::save::Save;
use super::value::equal;
use super::writer::{KEYS, Writer, no_field};
use crate::expr::convert::to_text;
use crate::expr::{Str, Thrown, Value};

/// The attributes of the rows that hold paths.
const NODE: &str = "nodePk";
const PATH: &str = "path";
const ROOT: &str = "rootPk";

const OWN_PARENT: &str = "Cannot set itself as the parent node";
const OWN_DESCENDANT: &str = "Cannot set a descendant node as the parent node";

/// The name of the collection that holds the paths of a tree; `None` for a collection that is no tree.
pub fn path_collection(collection: &Collection) -> Option<String> {
    collection.option("tree").is_truthy().then(|| format!("main_{}_path", collection.name))
}

/// A collection that is a tree, as long as its paths are kept: without their table NocoBase's plugin is not there.
pub(super) struct Tree {
    paths: Arc<Collection>,
    /// The attribute that paths name records by.
    key: Str,
    /// The attribute that refers to the parent.
    parent: Str,
}

impl Tree {
    fn key_of(&self, instance: &Instance) -> Value {
        instance.raw(&self.key)
    }

    fn parent_of(&self, instance: &Instance) -> Value {
        instance.raw(&self.parent)
    }
}

impl<C: ConnectionTrait> Writer<'_, C> {
    fn tree(&self, collection: &Collection) -> Option<Tree> {
        let paths = self.schema.get(&path_collection(collection)?)?.clone();
        let to_parent = collection.associations().find(|one| one.option("treeParent").is_truthy());
        let parent = match to_parent.map(|one| one.option("foreignKey")) {
            Some(Value::Text(key)) if !key.is_empty() => key,
            _ => "parentId".into(),
        };
        Some(Tree { paths, key: collection.target_key()?, parent })
    }

    /// Refuses a parent that is the record itself or below it.
    pub(super) async fn check_parent(&self, instance: &Instance) -> Result<(), Thrown> {
        let Some(tree) = self.tree(&instance.collection) else { return Ok(()) };
        let (own, mut above) = (tree.key_of(instance), tree.parent_of(instance));
        if own.is_nullish() || above.is_nullish() {
            return Ok(());
        }
        let own = to_text(&own)?;
        if to_text(&above)? == own {
            return Err(Thrown::error(OWN_PARENT));
        }
        if !instance.is_new && !instance.is_changed(&tree.parent) {
            return Ok(());
        }
        let mut seen = HashSet::from([own]);
        while !above.is_nullish() {
            if !seen.insert(to_text(&above)?) {
                return Err(Thrown::error(OWN_DESCENDANT));
            }
            match self.load_one(&instance.collection, &tree.key, &above).await? {
                Some(parent) => above = tree.parent_of(&parent),
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Notes where a new record is.
    pub(super) async fn add_path(&self, instance: &Instance) -> Result<(), Thrown> {
        let Some(tree) = self.tree(&instance.collection) else { return Ok(()) };
        let path = self.path(&tree, instance).await?;
        let values = [(NODE, tree.key_of(instance)), (ROOT, root(&path)), (PATH, Value::text(path))]
            .into_iter()
            .collect();
        let mut row = Instance::build(&tree.paths, &values, self.codec)?;
        Box::pin(self.save(&mut row, Save::default())).await
    }

    /// Moves a record that has got another parent, with all that is below it.
    pub(super) async fn move_path(&self, instance: &Instance) -> Result<(), Thrown> {
        match self.tree(&instance.collection) {
            Some(tree) if instance.is_changed(&tree.key) || instance.is_changed(&tree.parent) => {
                self.replace_path(&tree, instance).await
            }
            _ => Ok(()),
        }
    }

    /// Brings the paths of records up to date that one statement has changed.
    pub(super) async fn move_paths(
        &self,
        collection: &Arc<Collection>,
        keys: &[Value],
    ) -> Result<(), Thrown> {
        let Some(tree) = self.tree(collection) else { return Ok(()) };
        if collection.primary_key.as_ref() != Some(&tree.key) {
            return Ok(());
        }
        for instance in self.load(collection, &tree.key, keys).await? {
            self.replace_path(&tree, &instance).await?;
        }
        Ok(())
    }

    /// Forgets where deleted records were.
    pub(super) async fn remove_paths(&self, deleted: &[Instance]) -> Result<(), Thrown> {
        let Some(tree) = deleted.first().and_then(|one| self.tree(&one.collection)) else { return Ok(()) };
        let keys: Vec<Value> = deleted.iter().map(|one| tree.key_of(one)).collect();
        for keys in keys.chunks(KEYS) {
            let mut delete = Query::delete();
            delete.from_table(tree.paths.table.table_ref()).cond_where(self.is_in(
                &tree.paths,
                NODE,
                keys,
            )?);
            self.execute(&delete).await?;
        }
        Ok(())
    }

    /// The keys from the root to the record, as far as its ancestors exist: `/1/5/9`. As in NocoBase, what is below
    /// an ancestor counts only where the paths in between are known.
    async fn path(&self, tree: &Tree, instance: &Instance) -> Result<String, Thrown> {
        let mut path = format!("/{}", to_text(&tree.key_of(instance))?);
        let mut below = instance.clone();
        let mut seen = HashSet::new();
        loop {
            let above = tree.parent_of(&below);
            // A circle that somebody has written past NocoBase would never end.
            if !above.is_truthy() || !seen.insert(to_text(&above)?) {
                return Ok(path);
            }
            let Some(parent) = self.load_one(&below.collection, &tree.key, &above).await? else {
                return Ok(path);
            };
            if equal(&tree.parent_of(&parent), &tree.key_of(&below)) {
                return Ok(path);
            }
            path = format!("/{}{path}", to_text(&tree.key_of(&parent))?);
            if tree.parent_of(&parent).is_nullish() {
                return Ok(path);
            }
            if let Some(known) = self.known_path(tree, &tree.key_of(&parent)).await? {
                return Ok(format!("{known}/{}", to_text(&tree.key_of(&below))?));
            }
            below = parent;
        }
    }

    async fn known_path(&self, tree: &Tree, key: &Value) -> Result<Option<String>, Thrown> {
        let found = self.load_one(&tree.paths, NODE, key).await?;
        Ok(found.and_then(|row| row.raw(PATH).as_str().map(str::to_owned)))
    }

    async fn replace_path(&self, tree: &Tree, instance: &Instance) -> Result<(), Thrown> {
        let path = self.path(tree, instance).await?;
        let Some(old) = self.known_path(tree, &tree.key_of(instance)).await? else {
            return Err(Thrown::type_error("Cannot read properties of null (reading 'get')"));
        };
        let field = |name| tree.paths.field(name).ok_or_else(|| no_field(&tree.paths, name));
        let column = Alias::new(&*field(PATH)?.column);
        let length = i32::try_from(old.chars().count()).unwrap_or(i32::MAX);
        let cut = |from: i32, count: Option<i32>| {
            let cut = Func::cust("SUBSTR").arg(Expr::col(column.clone())).arg(Expr::val(from));
            Expr::from(match count {
                Some(count) => cut.arg(Expr::val(count)),
                None => cut,
            })
        };
        let below = cut(1, Some(length + 1)).eq(format!("{old}/"));
        let condition = Expr::col(column.clone()).eq(old.as_str()).or(below);
        let root = column::written(&root(&path), field(ROOT)?, self.codec)?;
        let path = column::written(&Value::text(path), field(PATH)?, self.codec)?;
        let moved = match self.codec.backend() {
            DbBackend::MySql => Func::cust("CONCAT").arg(path).arg(cut(length + 1, None)).into(),
            _ => path.binary(BinOper::Custom("||"), cut(length + 1, None)),
        };
        let mut update = Query::update();
        update
            .table(tree.paths.table.table_ref())
            .value(column, moved)
            .value(Alias::new(&*field(ROOT)?.column), root)
            .and_where(condition);
        self.execute(&update).await.map(drop)
    }
}

/// The key of the root, with which a path begins.
fn root(path: &str) -> Value {
    match path.split('/').nth(1) {
        Some(root) if !root.is_empty() => Value::text(root),
        _ => Value::Null,
    }
}
