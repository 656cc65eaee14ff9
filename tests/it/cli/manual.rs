//! What shells and manuals are told of the commands.

use crate::process::run;

async fn printed(arguments: &[&str]) -> String {
    let output = run(arguments, &[]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn shells_and_the_manual_know_the_commands() {
    for (shell, mark) in
        [("bash", "_sidehook()"), ("zsh", "#compdef sidehook"), ("fish", "complete -c sidehook")]
    {
        let script = printed(&["completions", shell]).await;
        assert!(script.contains(mark) && script.contains("healthcheck"), "{shell}");
    }
    let page = printed(&["man"]).await;
    assert!(page.contains(".TH sidehook 1") && page.contains("sidehook\\-serve(1)"), "{page}");
}

#[tokio::test]
async fn each_command_has_a_page() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    printed(&["man", "--folder", &folder.path().display().to_string()]).await;
    for page in ["sidehook.1", "sidehook-serve.1", "sidehook-executions-retry.1"] {
        let text = std::fs::read_to_string(folder.path().join(page));
        assert!(text.is_ok_and(|text| text.contains(".TH")), "{page}");
    }
    let output = run(&["man", "--folder", "/nowhere/at/all"], &[]).await;
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot be written into /nowhere/at/all"));
}
