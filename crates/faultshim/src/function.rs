//! The functions that are forwarded, and so can be counted and made to fail.

use serde::{Deserialize, Serialize};

macro_rules! functions {
    ($($name:ident),* $(,)?) => {
        /// A PKCS#11 function that custodyd or OpenSC's tools use, without its `C_`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "&'static str")]
        #[allow(missing_docs, reason = "named by the specification")]
        pub enum Function { $($name),* }

        impl Function {
            /// Each of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name in the specification.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => concat!("C_", stringify!($name))),* }
            }
        }
    };
}

functions! {
    Initialize, Finalize, GetInfo, GetSlotList, GetSlotInfo, GetTokenInfo, GetMechanismList, GetMechanismInfo,
    InitToken, InitPIN, SetPIN, OpenSession, CloseSession, CloseAllSessions, GetSessionInfo, Login, Logout,
    CreateObject, CopyObject, DestroyObject, GetObjectSize, GetAttributeValue, SetAttributeValue,
    FindObjectsInit, FindObjects, FindObjectsFinal, EncryptInit, Encrypt, DecryptInit, Decrypt, DigestInit, Digest,
    SignInit, Sign, VerifyInit, Verify, GenerateKey, GenerateKeyPair, WrapKey, UnwrapKey, DeriveKey, SeedRandom,
    GenerateRandom, WaitForSlotEvent,
}

impl Function {
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl TryFrom<String> for Function {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::ALL
            .iter()
            .copied()
            .find(|function| function.name() == name)
            .ok_or_else(|| format!("{name:?} is no function that is forwarded"))
    }
}

impl From<Function> for &'static str {
    fn from(function: Function) -> Self {
        function.name()
    }
}
