//! What the `exports` of a package.json lead to, by the rules of Node.js for `require`.

use serde_json::Value;

/// The conditions that hold for `require`.
const CONDITIONS: [&str; 4] = ["node", "require", "node-addons", "default"];
/// How deep conditions may lie within each other.
const DEEPEST: usize = 16;

/// The path within the package that `subpath` (`.` or `./…`) stands for.
pub(super) fn target(exports: &Value, subpath: &str) -> Option<String> {
    let has_subpaths =
        exports.as_object().is_some_and(|members| members.keys().any(|key| key.starts_with('.')));
    if !has_subpaths {
        return if subpath == "." { conditional(exports, "", 0) } else { None };
    }
    if let Some(found) = exports.get(subpath) {
        return conditional(found, "", 0);
    }
    let patterns = exports.as_object()?.iter().filter_map(|(key, target)| {
        let (before, after) = key.split_once('*')?;
        let star = subpath.strip_prefix(before)?.strip_suffix(after).filter(|star| !star.is_empty())?;
        Some((before.len(), key.len(), star, target))
    });
    // The longest text before the star wins, then the longest pattern.
    let (_, _, star, target) = patterns.max_by_key(|(before, whole, ..)| (*before, *whole))?;
    conditional(target, star, 0)
}

fn conditional(target: &Value, star: &str, depth: usize) -> Option<String> {
    match target {
        Value::String(path) if path.starts_with("./") => Some(path.replace('*', star)),
        Value::Array(targets) if depth < DEEPEST => {
            targets.iter().find_map(|target| conditional(target, star, depth + 1))
        }
        Value::Object(members) if depth < DEEPEST => {
            let holding = members.iter().filter(|(name, _)| CONDITIONS.contains(&name.as_str()));
            holding
                .filter(|(_, target)| !target.is_null())
                .find_map(|(_, target)| conditional(target, star, depth + 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::target;

    #[test]
    fn exports_lead_where_node_goes() {
        let conditions = json!({"import": "./m.mjs", "node": {"module": "./x", "require": "./n.cjs"}, "default": "./d.js"});
        let cases = [
            (json!("./a.js"), ".", Some("./a.js")),
            (json!("./a.js"), "./b", None),
            (conditions.clone(), ".", Some("./n.cjs")),
            (json!({".": conditions, "./p": null, "./q": "./lib/q.js"}), "./q", Some("./lib/q.js")),
            (json!({"./p": null}), "./p", None),
            (json!({"./f/*": "./lib/*.js", "./f/in/*": "./in/*.js"}), "./f/in/x", Some("./in/x.js")),
            (json!({"./f/*": "./lib/*.js"}), "./f/", None),
            (json!([{"import": "./m.mjs"}, "./c.js"]), ".", Some("./c.js")),
            (json!("../out.js"), ".", None),
        ];
        for (exports, subpath, expected) in cases {
            assert_eq!(target(&exports, subpath).as_deref(), expected, "{exports} {subpath}");
        }
    }
}
