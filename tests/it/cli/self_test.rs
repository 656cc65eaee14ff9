//! The examples of the node types are true: `sidehook self-test` runs each as a workflow of just that node.

use crate::process::run;

#[tokio::test]
async fn every_example_records_what_it_promises() {
    let output = run(&["self-test"], &[]).await;
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    for kind in sidehook::node::NODES {
        let count = (kind.examples)().len().to_string();
        let mut words = printed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        assert!(words.any(|words| words == [kind.type_name, &count]), "{}:\n{printed}", kind.type_name);
    }
    assert_eq!(printed.lines().last(), Some("OK"));
}
