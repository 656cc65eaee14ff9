//! The one version: `packaging/version` sets it everywhere, this compares.

use std::fs;

use serde_json::Value;

use super::root;

#[test]
fn crate_plugin_manifests_and_changelog_have_one_version() {
    let read = |path: &str| fs::read_to_string(root().join(path)).expect("a file");
    let version = env!("CARGO_PKG_VERSION");
    for path in ["plugin/package.json", "plugin/package-lock.json"] {
        let json: Value = serde_json::from_str(&read(path)).expect("JSON");
        assert_eq!(json["version"], version, "{path}");
    }
    let lock: Value = serde_json::from_str(&read("plugin/package-lock.json")).expect("JSON");
    assert_eq!(lock["packages"][""]["version"], version);
    for path in ["Cargo.lock", "fuzz/Cargo.lock"] {
        for name in ["entity", "migration", "sidehook"] {
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(read(path).contains(&entry), "{path}: {name}");
        }
    }
    let image = format!("image: ghcr.io/sidehook/sidehook:{version}\n");
    assert!(read("packaging/kubernetes/sidehook.yaml").contains(&image));
    assert!(
        read("CHANGELOG.md").contains(&format!("\n## [{version}]")),
        "CHANGELOG.md has no heading for {version}"
    );
}
