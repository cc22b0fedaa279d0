#include <algorithm>
#include <type_traits>
#include <utility>
#include <variant>

#include <dbos/detail/records.h>
#include <dbos/errors.h>

#include "error_records.h"

namespace dbos {
namespace detail {
namespace {

// SQLite takes 32,766, PostgreSQL 65,535.
constexpr std::size_t kParametersMax = 30'000;
constexpr std::size_t kIdentifierMax = 1024;
// Of the values of one INSERT: the request, and the rows that come back, are then well below what a message may hold.
constexpr std::size_t kInsertBytesMax = 1 << 20;
constexpr std::size_t kScalarBytes = 8;

thread_local int record_scopes = 0;

std::string Quoted(std::string_view name) {
  runtime::CheckName("the name of a table or column", name, kIdentifierMax);
  std::string quoted = "\"";
  for (const char c : name) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

std::string QuotedTable(std::string_view table) {
  const std::size_t dot = table.find('.');
  if (dot == std::string_view::npos) return Quoted(table);
  return Quoted(table.substr(0, dot)) + "." + Quoted(table.substr(dot + 1));
}

// About as many as it has on its way.
std::size_t BytesOf(const SqlValue& value) {
  const auto bytes_of = [](const auto& held) -> std::size_t {
    using Held = std::decay_t<decltype(held)>;
    if constexpr (std::is_same_v<Held, std::string> || std::is_same_v<Held, std::vector<std::byte>>) {
      return held.size();
    } else if constexpr (std::is_same_v<Held, Numeric> || std::is_same_v<Held, Uuid> || std::is_same_v<Held, RawJson>) {
      return held.text.size();
    } else if constexpr (std::is_same_v<Held, Json>) {
      return held.dump().size();
    } else if constexpr (std::is_same_v<Held, SqlValue::Array>) {
      std::size_t bytes = 0;
      for (const SqlValue& item : held) bytes += BytesOf(item);
      return bytes;
    } else {
      return kScalarBytes;
    }
  };
  return std::visit(bytes_of, value.variant());
}

std::size_t BytesOf(const SqlParams& row) {
  std::size_t bytes = 0;
  for (const SqlParam& field : row) bytes += BytesOf(field.value);
  return bytes;
}

// The start of the names of a column's parameters, so that an error says which column it is about.
std::string_view ParameterOf(std::string_view column) {
  constexpr std::size_t kMax = 63;
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto is_of_name = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); };
  const bool is_name =
      column.size() <= kMax && is_letter(column.front()) && std::all_of(column.begin(), column.end(), is_of_name);
  return is_name ? column : "p";
}

// A statement that is being written.
class Writer {
 public:
  explicit Writer(std::string text) : text_{.sql = std::move(text), .params = {}} {}

  Writer& Add(std::string_view text) {
    text_.sql += text;
    return *this;
  }
  Writer& Value(std::string_view column, const SqlValue& value) {
    std::string name(ParameterOf(column));
    name += "_" + std::to_string(text_.params.size() + 1);
    text_.sql += ":" + name;
    text_.params.push_back({std::move(name), value});
    return *this;
  }
  Writer& Columns(const SqlParams& fields) {
    for (const SqlParam& field : fields) Add(&field == fields.data() ? "" : ", ").Add(Quoted(field.name));
    return *this;
  }
  Writer& Values(const SqlParams& fields) {
    for (const SqlParam& field : fields) Add(&field == fields.data() ? "(" : ", ").Value(field.name, field.value);
    return Add(")");
  }
  Writer& Where(const SqlParams& filter) {
    for (const SqlParam& condition : filter) {
      Add(&condition == filter.data() ? " WHERE " : " AND ").Condition(condition.name, condition.value);
    }
    return *this;
  }
  std::size_t parameters() const { return text_.params.size(); }
  SqlText Take() { return std::move(text_); }

 private:
  void Condition(const std::string& column, const SqlValue& value) {
    if (value.is_null()) {
      Add(Quoted(column)).Add(" IS NULL");
    } else if (const auto* any_of = std::get_if<SqlValue::Array>(&value.variant())) {
      AnyOf(column, *any_of);
    } else {
      Add(Quoted(column)).Add(" = ").Value(column, value);
    }
  }
  void AnyOf(const std::string& column, const SqlValue::Array& values) {
    Add("(");
    bool first = true;
    for (const SqlValue& value : values) {
      if (value.is_null()) continue;
      Add(first ? Quoted(column) + " IN (" : ", ").Value(column, value);
      first = false;
    }
    Add(first ? "FALSE" : ")");
    const auto is_null = [](const SqlValue& value) { return value.is_null(); };
    if (std::any_of(values.begin(), values.end(), is_null)) Add(" OR ").Add(Quoted(column)).Add(" IS NULL");
    Add(")");
  }

  SqlText text_;
};

bool SameColumns(const SqlParams& a, const SqlParams& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const SqlParam& x, const SqlParam& y) { return x.name == y.name; });
}

bool HoldsObject(const nlohmann::json& array) {
  return std::any_of(array.begin(), array.end(), [](const nlohmann::json& item) {
    return item.is_object() || (item.is_array() && HoldsObject(item));
  });
}

SqlValue FromMarked(const nlohmann::json& value) {
  const auto& binary = value.get_binary();
  std::string text(binary.begin(), binary.end());
  switch (static_cast<Mark>(binary.subtype())) {
    case Mark::kNumeric:
      return Numeric{std::move(text)};
    case Mark::kUuid:
      return Uuid{std::move(text)};
    case Mark::kTime:
      return Micros(std::chrono::microseconds(ParseSigned(text)));
    case Mark::kDate:
      return ParseDate(text);
    case Mark::kJson:
    case Mark::kSmallNumbers:
      return RawJson{std::move(text)};
    case Mark::kBytes:
      break;
  }
  std::vector<std::byte> bytes;
  bytes.reserve(binary.size());
  for (const std::uint8_t byte : binary) bytes.push_back(static_cast<std::byte>(byte));
  return bytes;
}

// As it would be without marks.
Json Plain(const nlohmann::json& value) {
  if (value.is_object()) {
    Json object = Json::object();
    for (const auto& [name, member] : value.items()) object[name] = Plain(member);
    return object;
  }
  if (value.is_array()) {
    Json array = Json::array();
    for (const nlohmann::json& item : value) array.push_back(Plain(item));
    return array;
  }
  if (!value.is_binary()) return Json(value);
  const SqlValue field = FromMarked(value);
  if (const auto* bytes = std::get_if<std::vector<std::byte>>(&field.variant())) return EncodeBase64(*bytes);
  const std::string text(value.get_binary().begin(), value.get_binary().end());
  if (std::holds_alternative<RawJson>(field.variant())) return Json::parse(text);
  const auto* time = std::get_if<Micros>(&field.variant());
  return time != nullptr ? FormatTime(*time) : text;
}

SqlValue FieldOf(const std::string& member, const nlohmann::json& value) {
  switch (value.type()) {
    case nlohmann::json::value_t::boolean:
      return value.get<bool>();
    case nlohmann::json::value_t::number_integer:
      return value.get<std::int64_t>();
    case nlohmann::json::value_t::number_unsigned:
      return value.get<std::uint64_t>();
    case nlohmann::json::value_t::number_float:
      return value.get<double>();
    case nlohmann::json::value_t::string:
      return value.get_ref<const std::string&>();
    case nlohmann::json::value_t::binary:
      if (static_cast<Mark>(value.get_binary().subtype()) == Mark::kSmallNumbers) {
        throw InvalidArgument("the member " + member + " may be bytes or numbers: bytes are std::vector<std::byte>, " +
                              "small numbers are std::vector<int>");
      }
      return FromMarked(value);
    case nlohmann::json::value_t::object:
      return Plain(value);
    case nlohmann::json::value_t::array: {
      if (HoldsObject(value)) return Plain(value);
      SqlValue::Array items;
      for (const nlohmann::json& item : value) items.push_back(FieldOf(member, item));
      return items;
    }
    default:
      return nullptr;
  }
}

void RequireFilter(const SqlParams& filter, const char* what) {
  if (filter.empty()) {
    throw InvalidArgument(std::string(what) + " needs a filter; to change every row, write the statement yourself");
  }
}

}  // namespace

RecordScope::RecordScope() {
  ++record_scopes;
}
RecordScope::~RecordScope() {
  --record_scopes;
}
bool RecordScope::Active() {
  return record_scopes > 0;
}

SqlParams FieldsOf(const nlohmann::json& record) {
  if (!record.is_object()) {
    throw InvalidArgument("a record is a struct with NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE, or a JSON object");
  }
  SqlParams fields;
  for (const auto& [name, value] : record.items()) {
    if (!value.is_null()) fields.push_back({name, FieldOf(name, value)});
  }
  return fields;
}

SqlText InsertSql(std::string_view table, const std::vector<SqlParams>& rows, std::size_t& first) {
  const SqlParams& head = rows.at(first);
  Writer writer("INSERT INTO " + QuotedTable(table));
  if (head.empty()) {
    ++first;
    return writer.Add(" DEFAULT VALUES RETURNING *").Take();
  }
  writer.Add(" (").Columns(head).Add(") VALUES ").Values(head);
  std::size_t bytes = BytesOf(head);
  for (++first; first < rows.size(); ++first) {
    if (!SameColumns(rows[first], head) || writer.parameters() + head.size() > kParametersMax) break;
    bytes += BytesOf(rows[first]);
    if (bytes > kInsertBytesMax) break;
    writer.Add(", ").Values(rows[first]);
  }
  return writer.Add(" RETURNING *").Take();
}

SqlText UpsertSql(std::string_view table, const SqlParams& row, const std::vector<std::string>& key_columns) {
  if (key_columns.empty()) throw InvalidArgument("upsert needs the columns of a key");
  const auto is_key = [&](const SqlParam& field) {
    return std::find(key_columns.begin(), key_columns.end(), field.name) != key_columns.end();
  };
  Writer writer("INSERT INTO " + QuotedTable(table));
  writer.Add(" (").Columns(row).Add(") VALUES ").Values(row).Add(" ON CONFLICT (");
  for (const std::string& key : key_columns) {
    if (std::none_of(row.begin(), row.end(), [&](const SqlParam& field) { return field.name == key; })) {
      throw InvalidArgument("upsert: the record has no value for the key column " + key);
    }
    writer.Add(&key == key_columns.data() ? "" : ", ").Add(Quoted(key));
  }
  writer.Add(") DO UPDATE SET ");
  const bool only_keys = std::all_of(row.begin(), row.end(), is_key);  // then a key is set to itself, to return the row
  bool some = false;
  for (const SqlParam& field : row) {
    if (is_key(field) && !only_keys) continue;
    writer.Add(some ? ", " : "").Add(Quoted(field.name)).Add(" = excluded.").Add(Quoted(field.name));
    some = true;
  }
  return writer.Add(" RETURNING *").Take();
}

SqlText SelectSql(std::string_view table, const SqlParams& filter, bool only_first) {
  Writer writer("SELECT * FROM " + QuotedTable(table));
  return writer.Where(filter).Add(only_first ? " LIMIT 1" : "").Take();
}

SqlText UpdateSql(std::string_view table, const SqlParams& values, const SqlParams& filter) {
  RequireFilter(filter, "update");
  if (values.empty()) throw InvalidArgument("update has no values to set");
  Writer writer("UPDATE " + QuotedTable(table) + " SET ");
  for (const SqlParam& value : values) {
    writer.Add(&value == values.data() ? "" : ", ").Add(Quoted(value.name)).Add(" = ").Value(value.name, value.value);
  }
  return writer.Where(filter).Take();
}

SqlText DeleteSql(std::string_view table, const SqlParams& filter) {
  RequireFilter(filter, "erase");
  return Writer("DELETE FROM " + QuotedTable(table)).Where(filter).Take();
}

}  // namespace detail
}  // namespace dbos
