//! Commands as pages have them.

use super::*;

#[test]
fn a_command_over_two_lines_is_one_and_has_our_file() {
    let page = "Then\n   helm install a chart \\\n     --set-file config=collector.yaml --set x=y\nand `helm install …`.\n";
    assert_eq!(
        commands(page),
        [[
            "a",
            "chart",
            "--set-file",
            "config=fixtures/config/how-to.yaml",
            "--set",
            "x=y"
        ]]
    );
}
