//! From text to the tree.

use super::types::Type;
use super::{DEEPEST, Node};

/// The whole text as one value.
pub(super) fn parse(text: &str) -> Result<Node, String> {
    let mut reader = Reader { rest: text };
    let node = reader.value(0)?;
    reader.skip_space();
    match reader.rest {
        "" => Ok(node),
        rest => Err(format!("`{rest}` is left over")),
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Takes `wanted` if that is what comes next.
    fn take(&mut self, wanted: char) -> bool {
        self.skip_space();
        self.rest.strip_prefix(wanted).map(|rest| self.rest = rest).is_some()
    }

    /// As many characters as `wanted` says.
    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn value(&mut self, depth: usize) -> Result<Node, String> {
        if depth > DEEPEST {
            return Err("nested too deep".to_owned());
        }
        self.skip_space();
        match self.rest.chars().next() {
            None => Err("a value is missing".to_owned()),
            Some('[') => Ok(Node::Array(self.list('[', ']', depth)?)),
            Some('(') => self.tuple(depth),
            Some(quote @ ('\'' | '"')) => self.string(quote),
            Some('@') => {
                self.take('@');
                let signature = self.take_while(|c| !c.is_whitespace());
                Ok(Node::Typed(Type::of_signature(signature)?, Box::new(self.value(depth + 1)?)))
            }
            Some(first) if first.is_ascii_digit() || "+-.".contains(first) => {
                Ok(Node::Number(self.take_while(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)).to_owned()))
            }
            Some(_) => self.word(depth),
        }
    }

    fn word(&mut self, depth: usize) -> Result<Node, String> {
        let before = self.rest;
        match self.take_while(|c| c.is_ascii_alphanumeric()) {
            "true" => Ok(Node::Bool(true)),
            "false" => Ok(Node::Bool(false)),
            word => match Type::of_keyword(word) {
                Some(keyword) => Ok(Node::Typed(keyword, Box::new(self.value(depth + 1)?))),
                None => Err(format!("`{before}` is no value: a string needs quotes")),
            },
        }
    }

    fn list(&mut self, open: char, close: char, depth: usize) -> Result<Vec<Node>, String> {
        let mut nodes = Vec::new();
        self.take(open);
        while !self.take(close) {
            if !nodes.is_empty() && !self.take(',') {
                return Err(format!("`{close}` is missing"));
            }
            // A tuple of one has a comma at its end.
            if open == '(' && nodes.len() == 1 && self.take(close) {
                break;
            }
            nodes.push(self.value(depth + 1)?);
        }
        Ok(nodes)
    }

    fn tuple(&mut self, depth: usize) -> Result<Node, String> {
        match self.list('(', ')', depth)? {
            members if members.is_empty() => Err("D-Bus has no empty struct".to_owned()),
            members => Ok(Node::Tuple(members)),
        }
    }

    fn string(&mut self, quote: char) -> Result<Node, String> {
        self.take(quote);
        let mut text = String::new();
        let mut letters = self.rest.chars();
        loop {
            match letters.next().ok_or("a quote is missing at the end of a string")? {
                '\\' => text.extend(escaped(&mut letters)?),
                '\0' => return Err("a string holds a null byte".to_owned()),
                letter if letter == quote => break,
                letter => text.push(letter),
            }
        }
        self.rest = letters.as_str();
        Ok(Node::Text(text))
    }
}

/// What a backslash and the next characters stand for; nothing at the end of a line.
fn escaped(letters: &mut std::str::Chars<'_>) -> Result<Option<char>, String> {
    let letter = letters.next().ok_or("a backslash ends the text")?;
    let digits = match letter {
        'a' => return Ok(Some('\x07')),
        'b' => return Ok(Some('\x08')),
        'f' => return Ok(Some('\x0c')),
        'n' => return Ok(Some('\n')),
        'r' => return Ok(Some('\r')),
        't' => return Ok(Some('\t')),
        'v' => return Ok(Some('\x0b')),
        '\n' => return Ok(None),
        'u' => 4,
        'U' => 8,
        other => return Ok(Some(other)),
    };
    let code: String = letters.take(digits).collect();
    let valid = code.len() == digits && code.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = if valid { u32::from_str_radix(&code, 16).ok() } else { None };
    number.and_then(char::from_u32).filter(|c| *c != '\0').map(Some).ok_or_else(|| format!("`\\{letter}{code}` is no character"))
}
