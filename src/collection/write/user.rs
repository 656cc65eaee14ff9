//! What NocoBase's plugins do when users and their roles are written (`plugin-acl`, `plugin-users`). Without a role a
//! user can sign in, and every call is then refused.

use sea_orm::ConnectionTrait;

use super::instance::Instance;
use super::save::Save;
use super::writer::Writer;
use crate::expr::{Thrown, Value};

/// The collections that a new user's role is found in.
pub const ROLES: [&str; 2] = ["roles", "rolesUsers"];

/// Whether records of this collection get a role when they are created.
pub fn has_roles(collection: &str) -> bool {
    collection == "users"
}

impl<C: ConnectionTrait> Writer<'_, C> {
    /// Nobody becomes `root` by a record.
    pub(super) fn check_role(&self, instance: &Instance) -> Result<(), Thrown> {
        let is_root = &*instance.collection.name == "rolesUsers"
            && instance.is_changed("roleName")
            && instance.raw("roleName").as_str() == Some("root");
        if is_root { Err(Thrown::error("No permissions")) } else { Ok(()) }
    }

    /// Notes when the password of a user was changed: sessions that are older end.
    pub(super) fn note_password(&self, instance: &mut Instance) -> Result<(), Thrown> {
        let is_change =
            has_roles(&instance.collection.name) && !instance.is_new && instance.is_changed("password");
        if is_change {
            instance.set("passwordChangeTz", Value::Number(self.now().0), self.codec)
        } else {
            Ok(())
        }
    }

    /// Gives the default role to a new user who has been given none.
    pub(super) async fn give_role(&self, user: &Instance) -> Result<(), Thrown> {
        if !has_roles(&user.collection.name) {
            return Ok(());
        }
        let [roles, between] = ROLES.map(|name| self.schema.get(name));
        let (Some(roles), Some(between)) = (roles, between) else { return Ok(()) };
        if roles.field("default").is_none() {
            return Ok(());
        }
        let Some(role) = self.load_one(roles, "default", &Value::Bool(true)).await? else { return Ok(()) };
        let id = user.raw("id");
        if self.load_one(between, "userId", &id).await?.is_some() {
            return Ok(());
        }
        let values = [("userId", id), ("roleName", role.raw("name"))].into_iter().collect();
        let mut row = Instance::build(between, &values, self.codec)?;
        self.save(&mut row, Save { hooks: false, ..Save::default() }).await
    }
}
