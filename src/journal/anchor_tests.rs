//! The anchor against a database that is equal, ahead, behind, forked, or another's.

use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::ecdsa::{Signature, SigningKey};

use super::*;
use crate::journal::head_digest;

fn key_pair(seed: u8) -> (SigningKey, JournalKey) {
    let signer = SigningKey::from_slice(&[seed; 32]).unwrap();
    let point = signer.verifying_key().to_encoded_point(true);
    let key = JournalKey::from_sec1(point.as_bytes()).unwrap();
    (signer, key)
}

fn head(seq: u64, hash: [u8; 32]) -> HeadRow {
    let digest = head_digest("main", seq, 1, &hash).unwrap();
    let signature: Signature = key_pair(5).0.sign_prehash(&digest).unwrap();
    HeadRow::from_hsm("main", seq, 1, hash, &signature.to_bytes().into()).unwrap()
}

#[test]
fn what_was_written_is_read_back_and_never_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("main.anchor");
    let mut anchor = Anchor::at(&path);
    assert_eq!(anchor.read().unwrap(), None);
    anchor.write(&head(4, [4; 32])).unwrap();
    anchor.write(&head(3, [3; 32])).unwrap();
    assert_eq!(Anchor::at(&path).read().unwrap(), Some(head(4, [4; 32])));
    anchor.write(&head(9, [9; 32])).unwrap();
    assert_eq!(anchor.read().unwrap(), Some(head(9, [9; 32])));
    let files = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 1, "nothing is left beside the anchor");
}

#[test]
fn a_database_behind_or_forked_is_refused_and_one_ahead_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut anchor = Anchor::at(folder.path().join("main.anchor"));
    let (_, key) = key_pair(5);
    assert_eq!(anchor.read().unwrap(), None);
    anchor.write(&head(4, [4; 32])).unwrap();

    let anchored = anchor.read().unwrap().unwrap();
    let check = |last: Option<HeadRow>, hash_at| {
        anchor.check(&anchored, "main", &key, last.as_ref(), hash_at)
    };
    check(Some(head(4, [4; 32])), Some([4; 32])).unwrap();
    check(Some(head(6, [6; 32])), Some([4; 32])).unwrap();
    let behind = check(Some(head(3, [3; 32])), None).unwrap_err();
    assert!(matches!(
        behind,
        AnchorError::Behind {
            database_seq: 3,
            anchor_seq: 4,
            ..
        }
    ));
    assert!(behind.to_string().contains("seq 3") && behind.to_string().contains("seq 4"));
    let emptied = check(None, None).unwrap_err();
    assert!(matches!(
        emptied,
        AnchorError::Behind {
            database_seq: 0,
            ..
        }
    ));
    let forked = check(Some(head(6, [6; 32])), Some([7; 32])).unwrap_err();
    assert!(matches!(forked, AnchorError::Forked { seq: 4, .. }));
}

#[test]
fn a_file_of_another_vault_or_key_or_kind_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("main.anchor");
    let mut anchor = Anchor::at(&path);
    let (_, key) = key_pair(5);
    let (_, stranger) = key_pair(6);
    anchor.write(&head(4, [4; 32])).unwrap();
    let anchored = anchor.read().unwrap().unwrap();
    assert!(matches!(
        anchor.check(&anchored, "other", &key, None, None),
        Err(AnchorError::WrongVault { .. })
    ));
    assert!(matches!(
        anchor.check(&anchored, "main", &stranger, None, None),
        Err(AnchorError::Forged { .. })
    ));
    let whole = fs::read_to_string(&path).unwrap();
    let edited = whole.replace("\"seq\":4", "\"seq\":3");
    assert_ne!(edited, whole);
    for (text, forged) in [
        (edited, true),
        (String::new(), false),
        ("x".repeat(5000), false),
        (whole.replace("0404", "04"), false),
        (whole.replace("\"at\"", "\"more\":1,\"at\""), false),
    ] {
        fs::write(&path, &text).unwrap();
        let last = head(3, [4; 32]);
        let checked = anchor.read().and_then(|anchored| {
            let anchored = anchored.unwrap();
            anchor.check(&anchored, "main", &key, Some(&last), Some([4; 32]))
        });
        let error = checked.unwrap_err();
        assert_eq!(
            matches!(error, AnchorError::Forged { .. }),
            forged,
            "{error}"
        );
        assert_eq!(matches!(error, AnchorError::Malformed { .. }), !forged);
    }
}

#[test]
fn a_write_that_fails_leaves_the_old_anchor_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("main.anchor");
    let mut anchor = Anchor::at(&path);
    anchor.write(&head(4, [4; 32])).unwrap();
    fs::create_dir(folder.path().join("main.new")).unwrap();
    assert!(matches!(
        anchor.write(&head(5, [5; 32])),
        Err(AnchorError::Io { .. })
    ));
    assert_eq!(anchor.read().unwrap(), Some(head(4, [4; 32])));
}
