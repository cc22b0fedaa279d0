#include "sidecar/db/postgres/postgres_types.h"

#include <algorithm>
#include <iterator>

namespace dbos::sidecar {
namespace {

struct Type {
  unsigned int oid;
  const char* name;
  bool casts = true;
};

// By number, which never change.
constexpr Type kTypes[] = {{16, "bool", false},  {17, "bytea"},         {19, "name"},
                           {20, "int8"},         {21, "int2"},          {23, "int4"},
                           {25, "text"},         {26, "oid"},           {114, "json"},
                           {199, "_json"},       {700, "float4"},       {701, "float8"},
                           {869, "inet", false}, {1000, "_bool"},       {1001, "_bytea"},
                           {1003, "_name"},      {1005, "_int2"},       {1007, "_int4"},
                           {1009, "_text"},      {1014, "_bpchar"},     {1015, "_varchar"},
                           {1016, "_int8"},      {1021, "_float4"},     {1022, "_float8"},
                           {1028, "_oid"},       {1041, "_inet"},       {1042, "bpchar", false},
                           {1043, "varchar"},    {1082, "date"},        {1083, "time"},
                           {1114, "timestamp"},  {1115, "_timestamp"},  {1182, "_date"},
                           {1183, "_time"},      {1184, "timestamptz"}, {1185, "_timestamptz"},
                           {1186, "interval"},   {1187, "_interval"},   {1231, "_numeric"},
                           {1266, "timetz"},     {1270, "_timetz"},     {1700, "numeric"},
                           {2950, "uuid"},       {2951, "_uuid"},       {3802, "jsonb"},
                           {3807, "_jsonb"}};

const Type* Find(unsigned int oid) {
  const Type* found = std::lower_bound(std::begin(kTypes), std::end(kTypes), oid,
                                       [](const Type& type, unsigned int wanted) { return type.oid < wanted; });
  return found != std::end(kTypes) && found->oid == oid ? found : nullptr;
}

}  // namespace

const char* BuiltInTypeName(unsigned int oid) {
  const Type* type = Find(oid);
  return type == nullptr ? nullptr : type->name;
}

bool CastsToWhatItShows(unsigned int oid) {
  const Type* type = Find(oid);
  return type != nullptr && type->casts;
}

}  // namespace dbos::sidecar
