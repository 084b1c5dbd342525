# 1. Get presigned URL
PRESIGN=$(curl -s -X POST https://eversince.ai/api/v1/uploads \
  -H "Authorization: Bearer $EVERSINCE_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "file_name": "product.jpg",
    "content_type": "image/jpeg",
    "file_size": 245000
  }')

UPLOAD_URL=$(echo $PRESIGN | jq -r '.upload_url')
R2_KEY=$(echo $PRESIGN | jq -r '.r2_key')

# 2. Upload the file
curl -X PUT "$UPLOAD_URL" \
  -H "Content-Type: image/jpeg" \
  --data-binary @product.jpg

# 3. Confirm
curl -X POST https://eversince.ai/api/v1/uploads/confirm \
  -H "Authorization: Bearer $EVERSINCE_API_KEY" \
  -H "Content-Type: application/json" \
  -d "{
    \"r2_key\": \"$R2_KEY\",
    \"file_name\": \"product.jpg\",
    \"file_size\": 245000,
    \"content_type\": \"image/jpeg\"
  }"

# Response: { "upload_id": "upl_abc123", "type": "image" }
