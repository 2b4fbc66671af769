//! A credential file, and how its parts are read: what is missing is told by its name and place.

use crate::failure::Failure;
use crate::format::json::{self, Json};
use crate::http::Address;
use crate::secret::Secret;

use super::Setup;
use super::fault::Fault;

/// An object of a credential file.
pub(super) struct Document<'a> {
    pub(super) json: &'a Json,
    /// The file, for people.
    pub(super) place: &'a str,
}

/// Reads the bytes of a credential file.
pub(super) fn parse(bytes: &Secret, place: &str) -> Result<Json, Failure> {
    json::parse(bytes.expose()).map_err(|fault| {
        let (line, column) = (fault.line, fault.column);
        Fault::NotJson(place.to_owned(), line, column).into()
    })
}

impl<'a> Document<'a> {
    /// A text that is not empty.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        let text = self.json.get(name).and_then(Json::as_str);
        text.filter(|text| !text.is_empty())
    }

    /// The same, kept.
    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// A text that must be there.
    pub(super) fn need(&self, name: &'static str) -> Result<&'a str, Failure> {
        self.text(name).ok_or_else(|| self.lacks(name))
    }

    /// A secret that must be there.
    pub(super) fn secret(&self, name: &'static str) -> Result<&'a Secret, Failure> {
        let found = self.json.get(name).and_then(Json::text);
        let found = found.filter(|secret| !secret.expose().is_empty());
        found.ok_or_else(|| self.lacks(name))
    }

    /// A part that is an object.
    pub(super) fn part(&self, name: &str) -> Option<Document<'a>> {
        match self.json.get(name) {
            Some(json @ Json::Object(_)) => Some(Document {
                json,
                place: self.place,
            }),
            _ => None,
        }
    }

    /// The same, which must be there.
    pub(super) fn need_part(&self, name: &'static str) -> Result<Document<'a>, Failure> {
        self.part(name).ok_or_else(|| self.lacks(name))
    }

    pub(super) fn lacks(&self, name: &'static str) -> Failure {
        Fault::Lacks(self.place.to_owned(), name).into()
    }

    /// An address of Google's that stands in the file, or the usual one.
    pub(super) fn address(
        &self,
        setup: &Setup<'_>,
        name: &'static str,
        usual: Option<&str>,
    ) -> Result<Address, Failure> {
        let text = match usual {
            Some(usual) => self.text(name).unwrap_or(usual),
            None => self.need(name)?,
        };
        let address = Address::parse(text)
            .map_err(|fault| Failure::from(Fault::BadUrl(self.place.to_owned(), name, fault)))?;
        if setup.trusts(&address) {
            return Ok(address);
        }
        Err(Fault::ForeignUrl(self.place.to_owned(), name, address.origin()).into())
    }
}
