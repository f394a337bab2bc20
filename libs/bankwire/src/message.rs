//! The five messages as one type: bytes in, message or a precise fault out; message in, XML out.

use crate::{
    CreditNotification, MessageFault, PaymentOrder, ReceiptAcknowledgement, ReportingRequest,
    StatusReport, credit, fault::clip, order, receipt, report, request, scan,
};

/// What one frame carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    ReportingRequest(ReportingRequest),
    CreditNotification(CreditNotification),
    ReceiptAcknowledgement(ReceiptAcknowledgement),
    PaymentOrder(PaymentOrder),
    StatusReport(StatusReport),
}

impl Message {
    /// Reads a message strictly: whatever is missing, unknown or wrong is named.
    pub fn parse(bytes: &[u8]) -> Result<Self, MessageFault> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| MessageFault::Encoding(error.valid_up_to()))?;
        match scan::namespace(text)?.as_str() {
            request::NAMESPACE => ReportingRequest::read(text).map(Self::ReportingRequest),
            credit::NAMESPACE => CreditNotification::read(text).map(Self::CreditNotification),
            receipt::NAMESPACE => {
                ReceiptAcknowledgement::read(text).map(Self::ReceiptAcknowledgement)
            }
            order::NAMESPACE => PaymentOrder::read(text).map(Self::PaymentOrder),
            report::NAMESPACE => StatusReport::read(text).map(Self::StatusReport),
            other => Err(MessageFault::Kind(clip(other))),
        }
    }

    pub fn to_xml(&self) -> String {
        match self {
            Self::ReportingRequest(message) => message.to_xml(),
            Self::CreditNotification(message) => message.to_xml(),
            Self::ReceiptAcknowledgement(message) => message.to_xml(),
            Self::PaymentOrder(message) => message.to_xml(),
            Self::StatusReport(message) => message.to_xml(),
        }
    }
}
