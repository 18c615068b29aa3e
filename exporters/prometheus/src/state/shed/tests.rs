//! Which metrics have a name of their own.

use super::*;

#[test]
fn few_metrics_are_named_and_those_stay_so() {
    let mut shed = Shed::default();
    for metric in 0..100 {
        shed.count(&format!("wild_{metric}"), Why::Full, 1);
    }
    assert_eq!(shed.named.len(), NAMED);
    assert!(shed.others_told);
    assert_eq!(shed.name("wild_0", Why::Full), "wild_0");
    assert_eq!(shed.name("wild_99", Why::Full), OTHER);
    // For another reason it is another one.
    assert_eq!(shed.name("wild_0", Why::Late), OTHER);
}
