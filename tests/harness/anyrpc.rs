//! Calls of any RPC by its descriptor, with a request made of names that exist or do not: what an
//! attacker with the public contracts would write. Judges nothing.

use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor,
    Value,
};
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

/// What a compressed message would become, bytes.
const BOMB: usize = 32 * 1024 * 1024;

/// How long an answer's messages are read: streams that wait for news end here.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(300);

/// Every RPC of the project's own services.
pub fn all() -> anyhow::Result<Vec<MethodDescriptor>> {
    let pool = DescriptorPool::decode(sunbid_contracts::DESCRIPTORS)?;
    Ok(pool
        .services()
        .filter(|service| service.full_name().starts_with("sunbid."))
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .collect())
}

/// "/package.Service/Method".
pub fn path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

/// The names that a request is filled with.
#[derive(Clone, Debug)]
pub struct Names {
    pub tender: String,
    pub lot_id: String,
    pub organization: String,
    pub subject: String,
    /// A new one in each request, where nothing is said.
    pub request_id: Option<String>,
    pub page_token: String,
}

/// A request in which every text and number has something plausible.
pub fn request(method: &MethodDescriptor, names: &Names) -> Vec<u8> {
    filled(&method.input(), names, 0).encode_to_vec()
}

fn filled(descriptor: &MessageDescriptor, names: &Names, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        // Deep enough for every request; messages that hold themselves end here.
        if depth < 3
            && let Some(value) = value(&field, names, depth)
        {
            message.set_field(&field, value);
        }
    }
    message
}

fn value(field: &FieldDescriptor, names: &Names, depth: usize) -> Option<Value> {
    let one = match field.kind() {
        Kind::String => Value::String(text(field, names)),
        Kind::Bytes => Value::Bytes(vec![7; 32].into()),
        Kind::Int32 => Value::I32(1),
        Kind::Int64 => Value::I64(1),
        Kind::Uint32 => Value::U32(1),
        Kind::Uint64 => Value::U64(1),
        Kind::Bool => Value::Bool(true),
        Kind::Enum(_) => Value::EnumNumber(1),
        Kind::Message(inner) => Value::Message(filled(&inner, names, depth + 1)),
        _ => return None,
    };
    match (field.is_map(), field.is_list()) {
        (true, _) => None,
        (false, true) => Some(Value::List(vec![one])),
        (false, false) => Some(one),
    }
}

fn text(field: &FieldDescriptor, names: &Names) -> String {
    let parent = field.parent_message().name().to_owned();
    match field.name() {
        "tender" => names.tender.clone(),
        "lot_id" => names.lot_id.clone(),
        "organization" | "supplier" | "bidder" => names.organization.clone(),
        "subject" => names.subject.clone(),
        "name" if parent.contains("Organization") => names.organization.clone(),
        "name" if parent.contains("Subject") => names.subject.clone(),
        "name" if parent.contains("Notice") => format!("{}/notices/1", names.tender),
        "name" if parent.contains("Intent") => "intents/1".to_owned(),
        "name" | "parent" | "scope" => names.tender.clone(),
        "request_id" => {
            let fresh = || uuid::Uuid::new_v4().to_string();
            names.request_id.clone().unwrap_or_else(fresh)
        }
        "page_token" => names.page_token.clone(),
        "filter" | "order_by" => String::new(),
        "reason" | "text" | "title" => "what a stranger writes".to_owned(),
        _ => "1".to_owned(),
    }
}

/// What came of a call.
#[derive(Debug)]
pub struct Outcome {
    pub status: Status,
    /// Messages that came before it, at most a few.
    pub messages: Vec<Vec<u8>>,
}

/// Sends a message of nothing but zeros, compressed to a thousandth of its size.
pub async fn bomb(
    channel: &Channel,
    method: &MethodDescriptor,
    authorization: MetadataValue<Ascii>,
) -> anyhow::Result<Outcome> {
    let mut client = Grpc::new(channel.clone()).send_compressed(CompressionEncoding::Gzip);
    client.ready().await?;
    let mut request = Request::new(vec![0; BOMB]);
    request
        .metadata_mut()
        .insert("authorization", authorization);
    let path = http::uri::PathAndQuery::try_from(path(method))?;
    let answer: Result<tonic::Response<Vec<u8>>, Status> = client.unary(request, path, Raw).await;
    Ok(match answer {
        Ok(answer) => Outcome {
            status: Status::ok(""),
            messages: vec![answer.into_inner()],
        },
        Err(status) => Outcome {
            status,
            messages: Vec::new(),
        },
    })
}

/// Calls an RPC with bytes as they are and an authorization as it is.
pub async fn call(
    channel: &Channel,
    method: &MethodDescriptor,
    body: Vec<u8>,
    authorization: Option<&MetadataValue<Ascii>>,
) -> anyhow::Result<Outcome> {
    let mut client = Grpc::new(channel.clone());
    client.ready().await?;
    let mut request = Request::new(tokio_stream::once(body));
    let metadata = request.metadata_mut();
    metadata.insert("accept-language", MetadataValue::from_static("en"));
    if let Some(authorization) = authorization {
        metadata.insert("authorization", authorization.clone());
    }
    let path = http::uri::PathAndQuery::try_from(path(method))?;
    let mut outcome = Outcome {
        status: Status::deadline_exceeded("nothing more was said"),
        messages: Vec::new(),
    };
    let reading = async {
        let mut stream = match client.streaming(request, path, Raw).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => return Some(status),
        };
        loop {
            match stream.message().await {
                Ok(Some(message)) => outcome.messages.push(message),
                Ok(None) => return None,
                Err(status) => return Some(status),
            }
        }
    };
    if let Ok(ended) = tokio::time::timeout(PATIENCE, reading).await {
        outcome.status = ended.unwrap_or_else(|| Status::ok(""));
    }
    Ok(outcome)
}

/// Messages as bytes.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }
    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(to, &item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let length = bytes::Buf::remaining(from);
        Ok(Some(bytes::Buf::copy_to_bytes(from, length).to_vec()))
    }
}
