//! PKCS#11: module, sessions, keys, signing, vendor profiles.
