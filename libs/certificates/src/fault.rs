//! Why a certificate is not accepted, as sentences for its holder in two languages.
//! Says only what stands in the certificate itself, so that it may be shown to whoever sent it.

use sunbid_terms::{Instant, credit_code::CreditCodeError};

/// Why a certificate does not identify its holder here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    #[error("the certificate has {bytes} bytes, at most {most} are taken")]
    TooLarge { bytes: usize, most: usize },
    #[error("{count} intermediate certificates were sent, at most {most} are taken")]
    TooManyIntermediates { count: usize, most: usize },
    #[error("the certificate is not well-formed X.509 version 3 in DER: {0}")]
    Malformed(String),
    #[error("the certificate is valid only from {not_before}, it is now {at}")]
    NotYetValid { not_before: Instant, at: Instant },
    #[error("the certificate was valid until {not_after}, it is now {at}")]
    Expired { not_after: Instant, at: Instant },
    #[error("an authority's certificate in the chain is not valid at {at}, its limit is {limit}")]
    ChainNotValidNow { at: Instant, limit: Instant },
    #[error("the certificate's chain does not end in a root that this platform accepts")]
    UnknownIssuer,
    #[error("a signature in the certificate's chain does not verify")]
    BadChainSignature,
    #[error("this is the certificate of an authority, not of a person or machine")]
    Authority,
    #[error("the certificate's extended key usage does not allow client authentication")]
    WrongUsage,
    #[error("the certificate's key usage does not allow digital signatures")]
    NotForSignatures,
    #[error(
        "the certificate, or that of an authority in its chain, has been revoked by its issuer"
    )]
    Revoked,
    #[error("whether the certificate has been revoked cannot be known: {0}")]
    RevocationUnknown(Unknown),
    #[error("the certificate's chain is not acceptable: {0}")]
    Chain(String),
    #[error(
        "the certificate's subject has {found} values of {attribute} where exactly one is needed"
    )]
    SubjectAttribute {
        attribute: &'static str,
        found: usize,
    },
    #[error("the certificate's subject has a {attribute} that is not readable text")]
    SubjectText { attribute: &'static str },
    #[error("the certificate's organizationIdentifier is not a credit code: {0}")]
    CreditCode(CreditCodeError),
    #[error(
        "the certificate's key is neither Ed25519 nor ECDSA P-256 nor RSA of 2048 to 8192 bits"
    )]
    UnsupportedKey,
}

/// Why nobody knows whether a certificate has been revoked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    #[error("this platform has no revocation list of the authority that issued it")]
    NoList,
    #[error("its authority's revocation list ran out at {next_update}, it is now {at}")]
    RanOut { next_update: Instant, at: Instant },
    #[error("the revocation list in its authority's name is not signed by that authority")]
    Forged,
}

impl Unknown {
    fn zh(&self) -> String {
        match self {
            Self::NoList => "本平台没有其颁发机构的证书吊销列表".to_owned(),
            Self::RanOut { next_update, at } => {
                format!("其颁发机构的证书吊销列表已于{next_update}到期，现在是{at}")
            }
            Self::Forged => "以其颁发机构名义的证书吊销列表并非该机构签发".to_owned(),
        }
    }
}

impl CertificateFault {
    /// The sentence in Chinese.
    pub fn zh(&self) -> String {
        match self {
            Self::TooLarge { bytes, most } => {
                format!("证书有{bytes}字节，最多接受{most}字节。")
            }
            Self::TooManyIntermediates { count, most } => {
                format!("附带了{count}张中间证书，最多接受{most}张。")
            }
            Self::Malformed(reason) => format!("证书不是有效的DER编码X.509第3版：{reason}。"),
            Self::NotYetValid { not_before, at } => {
                format!("证书自{not_before}起有效，现在是{at}。")
            }
            Self::Expired { not_after, at } => {
                format!("证书有效期至{not_after}，现在是{at}。")
            }
            Self::ChainNotValidNow { at, limit } => {
                format!("证书链中颁发机构的证书在{at}无效，其期限为{limit}。")
            }
            Self::UnknownIssuer => "证书链未终止于本平台认可的根证书。".to_owned(),
            Self::BadChainSignature => "证书链中的签名验证不通过。".to_owned(),
            Self::Authority => "这是证书颁发机构的证书，不是个人或设备的证书。".to_owned(),
            Self::WrongUsage => "证书的扩展密钥用法不含客户端身份验证。".to_owned(),
            Self::NotForSignatures => "证书的密钥用法不含数字签名。".to_owned(),
            Self::Revoked => "该证书或其证书链中的颁发机构证书已被吊销。".to_owned(),
            Self::RevocationUnknown(why) => format!("无法确认证书是否已被吊销：{}。", why.zh()),
            Self::Chain(reason) => format!("证书链不可接受：{reason}。"),
            Self::SubjectAttribute { attribute, found } => {
                format!("证书主题须恰有一个{attribute}，现有{found}个。")
            }
            Self::SubjectText { attribute } => {
                format!("证书主题的{attribute}不是可读的文本。")
            }
            Self::CreditCode(CreditCodeError::Length(found)) => {
                format!("证书的organizationIdentifier应为18位统一社会信用代码，现为{found}位。")
            }
            Self::CreditCode(CreditCodeError::Character(found)) => {
                format!("证书的统一社会信用代码含有不允许的字符{found:?}。")
            }
            Self::CreditCode(CreditCodeError::Check {
                code,
                found,
                expected,
            }) => {
                format!("统一社会信用代码{code}的校验码是{found}，按GB 32100-2015应为{expected}。")
            }
            Self::UnsupportedKey => {
                "证书的密钥须为Ed25519、ECDSA P-256或2048至8192位RSA。".to_owned()
            }
        }
    }
}

/// Why a set of roots cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootsError {
    #[error("no root certificate is configured; nobody could be identified")]
    None,
    #[error("root certificate {index} (counting from 0) cannot be used: {reason}")]
    Root { index: usize, reason: String },
}
